/** `gyre dataset gc|policy|hold|trash|undelete|delete-image|verify|lineage`. */
import { PlatformError } from '#core/errors'
import type { DatasetLineage } from '#core/lineage'
import type { Hold, PolicyEntry } from '#core/retention'
import {
  collectGarbage,
  deleteImage as deleteStep,
  verifyDataset,
  type StepDefinition,
  type StepOutput,
} from '#core/steps'
import { Invocation, type CommonOptions } from '../invocation.ts'
import { carryThrough, failureOf } from '../runs.ts'
import { withStack, type StackUse } from '../stack-access.ts'
import { table } from '../table.ts'
import { count, counted, mebibytes, moment } from '../words.ts'

const pathOf = (name: string): string => `/api/datasets/${encodeURIComponent(name)}`

/** Starts a run by a call, waits for it, and gives what its step put out. */
async function resultOf<S extends StepDefinition>(
  use: StackUse,
  invocation: Invocation,
  step: S,
  { path, body }: { readonly path: string; readonly body: unknown },
): Promise<StepOutput<S>> {
  const { run } = await use.api.post<{ run: string }>(path, body)
  const report = await carryThrough(use, invocation, run)
  const done = report.steps.find((candidate) => candidate.step === step.name)
  if (report.status !== 'completed' || !done) throw failureOf(report)
  return step.output.parse(done.outputs) as StepOutput<S>
}

export async function gc({ dryRun = false, ...options }: CommonOptions & { readonly dryRun?: boolean }): Promise<void> {
  const invocation = new Invocation(options)
  const call = { path: '/api/gc', body: { dryRun } }
  const found = await withStack(invocation, (use) => resultOf(use, invocation, collectGarbage, call))
  invocation.answer(found, () => collectionText(found))
}

function collectionText(found: StepOutput<typeof collectGarbage>): string {
  const { dryRun, blobs, named, waiting, condemned, removed, rescued, versions, waitsFor } = found
  const would = dryRun ? 'would be ' : ''
  const row = (what: string, { objects, sizeBytes }: typeof blobs): string[] => [
    what,
    count(objects),
    mebibytes(sizeBytes),
  ]
  const stays = [
    versions.waiting + versions.trashed > 0 &&
      `${counted(versions.waiting + versions.trashed, 'version')} of datasets that nothing holds; ${mebibytes(versions.heldAloneBytes)} go with them and those in the trash.`,
    versions.trashed > 0 && `${counted(versions.trashed, 'version')} ${would}put in the trash: gyre dataset trash NAME`,
    versions.removed > 0 && `${counted(versions.removed, 'version')} ${would}removed from the trash.`,
    versions.rescued > 0 && `${counted(versions.rescued, 'version')} ${would}brought back: something names them again.`,
    waitsFor !== null && `Some wait for ${waitsFor}, which began before they were condemned.`,
  ]
  return [
    '',
    table(
      ['', 'blobs', 'size'],
      [
        row('in the store', blobs),
        row('named', named),
        row('unnamed for less than a week', waiting),
        row(`${would}condemned: to go in a week`, condemned),
        row(`${would}kept after all`, rescued),
        row(`${would}removed`, removed),
      ],
      '',
    ),
    ...stays.filter((line) => line !== false),
  ].join('\n')
}

export interface PolicyOptions extends CommonOptions {
  readonly versions?: string
  readonly days?: string
  readonly runDays?: string
}

/** Shows the policy, or changes what is given; `none` lifts a bound. */
export async function policy(name: string, { versions, days, runDays, ...options }: PolicyOptions): Promise<void> {
  const invocation = new Invocation(options)
  const given = { versions, days, runDays }
  const entry = await withStack(invocation, async ({ api }) => {
    const former = await api.get<PolicyEntry>(`${pathOf(name)}/policy`)
    if (Object.values(given).every((value) => value === undefined)) return former
    const next = {
      versions: boundOf(versions, former.policy.versions),
      days: boundOf(days, former.policy.days),
      runDays: boundOf(runDays, former.policy.runDays),
    }
    return api.put<PolicyEntry>(`${pathOf(name)}/policy`, next)
  })
  invocation.answer(entry, () => policyText(name, entry))
}

function boundOf(given: string | undefined, former: number | null): number | null {
  if (given === undefined) return former
  if (given === 'none') return null
  if (/^[1-9]\d{0,4}$/.test(given)) return Number(given)
  throw new PlatformError(
    'INVALID_INPUT',
    `${JSON.stringify(given)} is no bound; give a number from 1 to 36,500, or none`,
  )
}

function policyText(name: string, { policy: { versions, days, runDays }, by, at }: PolicyEntry): string {
  const kept = [
    versions !== null && `the last ${counted(versions, 'version')} of each ref`,
    days !== null && `what was current within the last ${counted(days, 'day')}`,
  ].filter((part) => part !== false)
  const lines = [
    kept.length === 0 ? 'Every version that a ref ever pointed to is kept.' : `Kept: ${kept.join(', and ')}.`,
    runDays === null
      ? 'Runs hold the versions they used for ever.'
      : `Runs hold the versions they used for ${counted(runDays, 'day')} after their end.`,
    'Tags, models, endpoints and holds keep their versions whatever the policy.',
  ]
  return `\n${name}   ${by === null ? 'no policy was set' : `set by ${by}, ${moment(at)}`}\n\n${lines.join('\n')}`
}

export interface HoldOptions extends CommonOptions {
  readonly as?: string
  readonly reason?: string
  readonly release?: string
}

/** Lists holds, places one on NAME or NAME@REF, or releases one. */
export async function hold(spec: string, { as, reason, release, ...options }: HoldOptions): Promise<void> {
  const invocation = new Invocation(options)
  const [name = '', ref = null] = spec.split('@', 2)
  if (as !== undefined && reason === undefined)
    throw new PlatformError('INVALID_INPUT', 'say why: give --reason; whoever meets the hold reads it')
  const path = `${pathOf(name)}/holds`
  const holds = await withStack(invocation, ({ api }) => {
    if (release !== undefined) return api.delete<readonly Hold[]>(`${path}/${encodeURIComponent(release)}`)
    return as === undefined
      ? api.get<readonly Hold[]>(path)
      : api.post<readonly Hold[]>(path, { name: as, ref, reason })
  })
  const rows = holds.map((held) => [
    held.name,
    held.version?.slice(0, 12) ?? 'all versions',
    held.by,
    moment(held.at),
    held.reason,
  ])
  const hint = `No holds.\n\n  ./gyre dataset hold ${name} --as audit --reason "…"`
  invocation.answer(holds, () => table(['hold', 'on', 'by', 'since', 'why'], rows, hint))
}

export async function trash(name: string, options: CommonOptions): Promise<void> {
  const invocation = new Invocation(options)
  const versions = await withStack(invocation, ({ api }) =>
    api.get<readonly { version: string; trashedAt: string; goesAt: string }[]>(`${pathOf(name)}/trash`),
  )
  const rows = versions.map(({ version, trashedAt, goesAt }) => [
    version.slice(0, 12),
    moment(trashedAt),
    moment(goesAt),
  ])
  invocation.answer(versions, () => table(['version', 'in the trash since', 'goes'], rows, 'The trash is empty.'))
}

export async function undelete(spec: string, options: CommonOptions): Promise<void> {
  const invocation = new Invocation(options)
  const [name = '', version = ''] = spec.split('@', 2)
  const back = await withStack(invocation, ({ api }) =>
    api.post<{ version: string }>(`${pathOf(name)}/undelete`, { version }),
  )
  const digits = back.version.slice(0, 12)
  const next = `  ./gyre dataset tag ${name}@${digits} TAG\n  ./gyre dataset hold ${name}@${digits} --as HOLD --reason "…"`
  invocation.answer(
    back,
    () => `\n${name}@${digits} is back. In a week it goes again, unless something keeps it:\n\n${next}`,
  )
}

export interface DeleteOptions extends CommonOptions {
  readonly reason?: string
  readonly yes?: boolean
}

export async function deleteImage(digest: string, { reason, yes = false, ...options }: DeleteOptions): Promise<void> {
  const invocation = new Invocation(options)
  if (reason === undefined)
    throw new PlatformError('INVALID_INPUT', 'say why: give --reason; it is kept in place of the image')
  if (!yes)
    throw new PlatformError('INVALID_INPUT', 'this cannot be undone, in any dataset; give --yes to delete the image')
  const call = { path: `/api/images/${encodeURIComponent(digest)}/delete`, body: { reason } }
  const done = await withStack(invocation, (use) => resultOf(use, invocation, deleteStep, call))
  invocation.answer(done, () => deletionText(done))
}

function deletionText(done: StepOutput<typeof deleteStep>): string {
  const { image, datasets, packs, pixels, vectors, pages, copies, uris, models, endpoints } = done
  const left = [
    models.length > 0 && `Models that had to do with it: ${models.join(', ')}. They stay; train anew if that matters.`,
    endpoints.length > 0 && `Endpoints that serve these: ${endpoints.join(', ')}.`,
    uris.length > 0 && `Its bytes still lie where Gyre never copied them: ${uris.join(', ')}.`,
  ].filter((line) => line !== false)
  const rows = datasets.map(({ name, versions, refs }) => [name, versions, refs.join(', ') || '–'])
  return [
    `\nimage ${image.slice(0, 12)} is deleted`,
    '',
    table(['dataset', 'versions that had it', 'refs moved'], rows, 'No dataset had it.'),
    '',
    `Written anew or removed: ${counted(packs, 'pack')}, ${counted(pixels, 'cache')} of pixels, ${counted(vectors, 'matrix', 'matrices')} of embeddings, ${counted(pages, 'page')} with its picture, ${counted(copies, 'captured or dropped file')}.`,
    ...left,
  ].join('\n')
}

export async function verify(
  spec: string,
  { everyImage = false, ...options }: CommonOptions & { readonly everyImage?: boolean },
): Promise<void> {
  const invocation = new Invocation(options)
  const [name = '', ref = 'latest'] = spec.split('@', 2)
  const call = { path: `${pathOf(name)}/verify`, body: { ref, everyImage } }
  const found = await withStack(invocation, (use) => resultOf(use, invocation, verifyDataset, call))
  invocation.answer(found, () => verificationText(found))
  if (found.problems.count > 0) process.exitCode = 1
}

function verificationText({
  version,
  tables,
  packs,
  imagesRead,
  groups,
  problems,
}: StepOutput<typeof verifyDataset>): string {
  const head = `\n${version.dataset}   version sha256:${version.version.slice(0, 12)}   ${counted(version.images, 'image')}`
  const read = imagesRead > 0 ? `, ${counted(imagesRead, 'image')} read whole` : ''
  const looked = `${counted(tables, 'table')} and ${counted(packs, 'pack')} looked at${read}; ${counted(groups, 'group')} of near duplicates, each on one side of the split`
  if (problems.count === 0) return `${head}\n\nAll is as it should be: ${looked}.`
  return [head, '', `${counted(problems.count, 'problem')}:`, ...problems.first].join('\n')
}

export async function lineage(spec: string, options: CommonOptions): Promise<void> {
  const invocation = new Invocation(options)
  const [name = '', ref = 'latest'] = spec.split('@', 2)
  const found = await withStack(invocation, ({ api }) =>
    api.get<DatasetLineage>(`${pathOf(name)}/lineage?ref=${encodeURIComponent(ref)}`),
  )
  invocation.answer(found, () => lineageText(found))
}

function lineageText({ dataset, version, imports, versions, models, endpoints }: DatasetLineage): string {
  return [
    `\n${dataset}   version sha256:${version.slice(0, 12)}   from ${counted(versions.length, 'version')}`,
    '',
    table(
      ['imported from', 'made', 'when', 'by'],
      imports.map((made) => [made.source ?? '–', made.version.slice(0, 12), moment(made.at), made.by]),
      'Nothing says where its images came from.',
    ),
    '',
    table(
      ['model', '', 'version of the dataset'],
      models.map((use) => [
        `${use.name}@${use.version}`,
        use.trained ? 'trained' : 'measured',
        use.dataset.slice(0, 12),
      ]),
      'No model has to do with it.',
    ),
    '',
    table(
      ['endpoint', 'revision', 'model', 'share'],
      endpoints.map((use) => [use.name, use.revision, `${use.model.name}@${use.model.version}`, `${use.share} %`]),
      'No endpoint serves one of these models.',
    ),
  ].join('\n')
}
