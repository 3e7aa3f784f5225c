import { fingerprintOf } from '#core/identity'
import {
  findCertificate,
  listCertificates,
  revokeCertificate,
  standingOf,
  verifyStored,
  type StoredCertificate,
} from '#core/labelling'
import type { ObjectStore } from '#core/storage'
import type { CertificatePort, CertificateView } from '../routes/certificates.ts'

export function certificatesOf(store: ObjectStore): CertificatePort {
  const view = async (certificate: StoredCertificate): Promise<CertificateView> => {
    const { id, dataset, version, issuedAt, report } = certificate
    const { session, task = 'single', atLeast, target, confidence, labelled, signature } = report
    const signedBy = signature ? fingerprintOf(signature.publicKey) : null
    const facts = { id, dataset, version, session, task, issuedAt, atLeast, target, confidence, labelled, signedBy }
    return { ...facts, ...(await standingOf(store, certificate)) }
  }
  return {
    list: async (dataset) => Promise.all((await listCertificates(store, dataset)).map(view)),
    async show(name) {
      const certificate = await findCertificate(store, name)
      const { excluded, looks } = certificate.report
      return {
        ...(await view(certificate)),
        excluded,
        looks: looks.map(({ sample, place = null, adjudicated = null, perClass, ...look }) => ({
          ...look,
          place,
          adjudicated,
          sample: sample.length,
          perClass: perClass.map(({ jointly = null, ...bound }) => ({ ...bound, jointly })),
        })),
      }
    },
    file: async (name) => (await findCertificate(store, name)).report,
    async verify(name) {
      const { certificate, signature, troubles } = await verifyStored(store, name)
      return { id: certificate.id, holds: troubles.length === 0, signature, troubles }
    },
    async revoke(name, reason, by) {
      const certificate = await findCertificate(store, name)
      await revokeCertificate(store, certificate, { by, cause: 'person', reason })
      return view(certificate)
    },
  }
}
