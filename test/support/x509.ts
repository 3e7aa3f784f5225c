/** Certificates made in memory, in the bytes that X.509 wants: also ones that have expired. */

import { generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto'

export interface Certificate {
  /** PEM. */
  readonly cert: string
  /** PEM, PKCS #8. */
  readonly key: string
}

export interface Authority extends Certificate {
  issue(subject: string, options?: IssueOptions): Certificate
}

export interface IssueOptions {
  /** DNS names that the certificate is for; its subject if left out. */
  readonly names?: readonly string[]
  readonly notAfter?: Date
}

const DAY_MS = 86_400_000
const OID = {
  ecdsaWithSha256: '2a8648ce3d040302',
  commonName: '550403',
  constraints: '551d13',
  names: '551d11',
} as const

/** A certificate authority that nobody trusts but those who are given its certificate. */
export function createAuthority(name: string): Authority {
  const own = newKeys()
  const isAuthority = sequence(oid(OID.constraints), boolean(true), octets(sequence(boolean(true))))
  const cert = certificate({ subject: name, publicKey: own.publicKey, extensions: [isAuthority] }, name, own.privateKey)
  return {
    cert,
    key: pemOf(own.privateKey),
    issue(subject, { names = [subject], ...validity } = {}) {
      const keys = newKeys()
      const isFor = sequence(oid(OID.names), octets(sequence(...names.map(dnsName))))
      const facts = { subject, publicKey: keys.publicKey, extensions: [isFor], ...validity }
      return { cert: certificate(facts, name, own.privateKey), key: pemOf(keys.privateKey) }
    },
  }
}

interface Facts extends IssueOptions {
  readonly subject: string
  readonly publicKey: KeyObject
  readonly extensions: readonly Buffer[]
}

function certificate(facts: Facts, issuer: string, issuerKey: KeyObject): string {
  const { notAfter = new Date(Date.now() + DAY_MS) } = facts
  const algorithm = sequence(oid(OID.ecdsaWithSha256))
  const content = sequence(
    tagged(0xa0, tagged(0x02, Buffer.from([2]))),
    tagged(0x02, Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    algorithm,
    nameOf(issuer),
    sequence(time(new Date(Date.now() - DAY_MS)), time(notAfter)),
    nameOf(facts.subject),
    facts.publicKey.export({ type: 'spki', format: 'der' }),
    tagged(0xa3, sequence(...facts.extensions)),
  )
  const signature = tagged(0x03, Buffer.concat([Buffer.from([0]), sign('sha256', content, issuerKey)]))
  const base64 = sequence(content, algorithm, signature).toString('base64').replaceAll(/.{64}/g, '$&\n')
  return `-----BEGIN CERTIFICATE-----\n${base64.trim()}\n-----END CERTIFICATE-----\n`
}

const newKeys = () => generateKeyPairSync('ec', { namedCurve: 'P-256' })
const pemOf = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }) as string

function tagged(tag: number, content: Buffer): Buffer {
  const { length } = content
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...size]), content])
}

const sequence = (...parts: readonly Buffer[]): Buffer => tagged(0x30, Buffer.concat(parts))
const oid = (hex: string): Buffer => tagged(0x06, Buffer.from(hex, 'hex'))
const octets = (content: Buffer): Buffer => tagged(0x04, content)
const boolean = (value: boolean): Buffer => tagged(0x01, Buffer.from([value ? 0xff : 0]))
const dnsName = (name: string): Buffer => tagged(0x82, Buffer.from(name))
const nameOf = (name: string): Buffer =>
  sequence(tagged(0x31, sequence(oid(OID.commonName), tagged(0x0c, Buffer.from(name)))))
/** UTCTime: `260131235959Z`. */
const time = (date: Date): Buffer =>
  tagged(0x17, Buffer.from(`${date.toISOString().replaceAll(/[-:T]/g, '').slice(2, 14)}Z`))
