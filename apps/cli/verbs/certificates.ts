/**
 * `gyre annotate certificates|verify|revoke`: what promises how many right labels, whether it agrees with the evidence in
 * the store, and taking it back. Verifying reads the store alone: no stack has to run.
 */
import { readFile } from 'node:fs/promises'
import { pathToFileURL } from 'node:url'
import { PlatformError } from '#core/errors'
import { fingerprintOf } from '#core/identity'
import { standingOf, verifyStored, type Standing, type Verification } from '#core/labelling'
import { openStore, type ObjectStore } from '#core/storage'
import { StateFolder } from '../../../infra/local/index.ts'
import { AnsweredFailure } from '../failure.ts'
import { Invocation, type CommonOptions } from '../invocation.ts'
import { withStack } from '../stack-access.ts'
import { table } from '../table.ts'
import { count, counted, moment, percent } from '../words.ts'

interface Certificate {
  readonly id: string
  readonly dataset: string
  readonly session: string
  readonly issuedAt: string
  readonly atLeast: number
  readonly labelled: number
  readonly signedBy: string | null
  readonly state: Standing['state']
  readonly why: string | null
}

export async function list(dataset: string | undefined, options: CommonOptions): Promise<void> {
  const invocation = new Invocation(options)
  const query = dataset === undefined ? '' : `?dataset=${encodeURIComponent(dataset)}`
  const certificates = await withStack(invocation, ({ api }) => api.get<Certificate[]>(`/api/certificates${query}`))
  invocation.answer(certificates, () =>
    [
      table(
        ['certificate', 'dataset', 'session', 'certified', 'labels', 'signed by', 'when', 'state'],
        certificates.map(({ id, atLeast, labelled, signedBy, issuedAt, state, ...of }) => [
          id.slice(0, 12),
          of.dataset,
          of.session,
          `≥ ${percent(atLeast, 2)}`,
          count(labelled),
          signedBy ?? 'unsigned',
          moment(issuedAt || null),
          state,
        ]),
        'No certificates. A labelling session that passes its audit gets one.\n\n  ./gyre demo',
      ),
      ...certificates.flatMap(({ id, state, why }) => (why ? [`${id.slice(0, 12)} ${state}: ${why}`] : [])),
    ].join('\n'),
  )
}

export async function revoke(name: string, { reason, ...options }: CommonOptions & { reason: string }): Promise<void> {
  const invocation = new Invocation(options)
  const certificate = await withStack(invocation, ({ api }) =>
    api.post<Certificate>(`/api/certificates/${encodeURIComponent(name)}/revocation`, { reason }),
  )
  invocation.answer(
    certificate,
    () => `Certificate ${certificate.id.slice(0, 12)} of ${certificate.dataset}: ${certificate.why ?? 'it stands'}.`,
  )
}

/** A file is one that ends in .json; all else is an id, a session or a dataset. */
export async function verify(
  name: string,
  { key: fingerprint, ...options }: CommonOptions & { readonly key?: string },
): Promise<void> {
  const invocation = new Invocation(options)
  const store = await storeAt(invocation)
  const subject = name.endsWith('.json') ? await fileAt(name) : name
  const verification = await verifyStored(store, subject, { fingerprint })
  const { certificate, signature, troubles } = verification
  const { id, dataset, version, report } = certificate
  const holds = troubles.length === 0
  const standing = holds ? await standingOf(store, certificate) : null
  const { session, atLeast, labelled, confidence } = report
  const facts = { id, dataset, version, session, atLeast, labelled, confidence, signature, holds, troubles, standing }
  invocation.answer(facts, () => (standing ? told(verification, standing) : refuted(verification)))
  if (!holds) throw new AnsweredFailure()
}

async function fileAt(path: string): Promise<Uint8Array> {
  return readFile(path).catch((cause: unknown) => {
    const message = `certificate file ${path} cannot be read; give a file, an id, a session or a dataset`
    throw new PlatformError('INVALID_INPUT', message, { path }, { cause })
  })
}

/** The store of the stack on the state folder, whether it runs or not. */
async function storeAt({ state: folder, env }: Invocation): Promise<ObjectStore> {
  const state = new StateFolder(folder)
  const running = state.runningStack()
  const uri = running?.storeUri ?? (env['GYRE_STORE'] || pathToFileURL(state.objects).href)
  return openStore(uri, { project: running?.project ?? (env['GYRE_PROJECT'] || 'default') })
}

function told({ certificate, signature }: Verification, standing: Standing): string {
  const { report, dataset, version } = certificate
  const look = report.looks.at(-1)!
  const { sample, found, gold, adjudicated } = look
  const what = report.task === 'multi' ? 'answers (one per image and class)' : 'labels'
  const disputes = adjudicated ? `, ${counted(adjudicated.disputes, 'second look')}` : ''
  return [
    `Holds: of ${count(report.labelled)} ${what} of ${dataset}, version ${version.slice(0, 12)}, at least ${percent(report.atLeast, 2)} are right, with confidence ${percent(report.confidence, 0)}.`,
    '',
    ` audit      ${counted(sample.length, 'label')} drawn of ${count(look.population)}, ${count(found)} wrong${disputes}`,
    ` attention  ${count(gold.missed)} of ${counted(gold.shown, 'gold misfit')} overlooked; at most ${percent(gold.missRateAtMost)} of misfits go unseen`,
    ` line       ${look.place === undefined ? 'made by a release that did not count the looks of a dataset line' : `look ${look.place} of ${dataset}`}`,
    ` signed     ${signedWords(signature, report.signature?.publicKey)}`,
    ` stands     ${standing.why ?? 'yes'}`,
  ].join('\n')
}

function signedWords({ state, fingerprint }: Verification['signature'], publicKey: string | undefined): string {
  if (state === 'unsigned' || publicKey === undefined)
    return 'no: whoever can write the store could have written it, with answers to match'
  return `by key ${fingerprint ?? fingerprintOf(publicKey)}, a key of this installation`
}

function refuted({ certificate: { id, dataset }, troubles }: Verification): string {
  const head = `Does not hold: certificate ${id.slice(0, 12)}${dataset ? ` of ${dataset}` : ''}.`
  return [head, '', ...troubles.map((trouble) => ` ✗ ${trouble}`)].join('\n')
}
