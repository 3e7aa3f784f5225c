/** `gyre dataset health|exclude|include|ask|schema`. */
import { readFile, writeFile } from 'node:fs/promises'
import { parse } from 'yaml'
import { PlatformError } from '#core/errors'
import type { HealthReport, MigrationPlan, Operation, ShownSchema } from '#core/health'
import type { ApiClient } from '../api-client.ts'
import { Invocation, type CommonOptions } from '../invocation.ts'
import { carryThrough, failureOf } from '../runs.ts'
import { withStack } from '../stack-access.ts'
import { table } from '../table.ts'
import { count, counted, percent } from '../words.ts'

/** What people write after the verb: NAME or NAME@REF. */
function addressOf(spec: string): { readonly name: string; readonly ref: string; readonly path: string } {
  const [name = '', ref = 'latest'] = spec.split('@', 2)
  return { name, ref, path: `/api/datasets/${encodeURIComponent(name)}` }
}

export interface HealthOptions extends CommonOptions {
  readonly against?: string
  readonly labels?: boolean
  readonly html?: string
}

type Report = HealthReport & { readonly html: string }

/** Checks by a run, so that it is durable, and returns with what it found. */
export async function health(spec: string, { against, labels = true, html, ...options }: HealthOptions): Promise<void> {
  const invocation = new Invocation(options)
  const { ref, path } = addressOf(spec)
  const report = await withStack(invocation, async (use) => {
    const { labelled } = await use.api.get<{ labelled: number }>(`${path}?ref=${encodeURIComponent(ref)}`)
    const asked = { ref, labels: labels && labelled > 0, ...(against !== undefined && { against }) }
    const { run } = await use.api.post<{ run: string }>(`${path}/health`, asked)
    const ended = await carryThrough(use, invocation, run)
    if (ended.status !== 'completed') throw failureOf(ended)
    const query = new URLSearchParams({ ref, ...(against !== undefined && { against }) }).toString()
    const found = await use.api.get<Report>(`${path}/health?${query}`)
    if (html !== undefined) await writeFile(html, await use.api.bytes(`/api/reports/${found.html}`))
    return found
  })
  invocation.answer(report, () => reportText(report, html))
}

function reportText({ dataset, version, images, excluded, findings, notes }: Report, html: string | undefined): string {
  const left = excluded > 0 ? `, ${count(excluded)} excluded` : ''
  const head = `\n${dataset}   version sha256:${version.slice(0, 12)}   ${counted(images, 'image')}${left}`
  const rows = findings.map(({ severity, kind, images: found, share, title }) => [
    severity,
    kind,
    found,
    found > 0 ? percent(share) : '–',
    title,
  ])
  const hint = findings.some(({ digests }) => digests.length > 0)
    ? [`\n  ./gyre dataset exclude ${dataset}@${version.slice(0, 12)} --finding KIND --reason "…"`]
    : []
  return [
    head,
    '',
    table(['', 'finding', 'images', 'share', 'what'], rows, 'Nothing was found.'),
    ...notes.map((note) => `\n${note}`),
    ...hint,
    ...(html !== undefined ? [`\nWith pictures: ${html}`] : []),
  ].join('\n')
}

export interface ActOptions extends CommonOptions {
  readonly where?: string
  readonly finding?: string
  readonly digests?: string
  readonly reason?: string
}

/** Excludes, takes back, or asks people again about images: a new version that says why. */
export async function act(
  action: 'exclude' | 'include' | 'ask',
  spec: string,
  { where, finding, digests, reason, ...options }: ActOptions,
): Promise<void> {
  const invocation = new Invocation(options)
  const { ref, name, path } = addressOf(spec)
  if ([where, finding, digests].filter((given) => given !== undefined).length !== 1)
    throw new PlatformError('INVALID_INPUT', 'say which images: give one of --where, --finding and --digests')
  if (finding === undefined && reason === undefined)
    throw new PlatformError('INVALID_INPUT', 'say why: give --reason; the history of the dataset keeps it')
  const changed = await withStack(invocation, async ({ api }) => {
    if (finding !== undefined)
      return post(api, `${path}/health/actions`, {
        version: ref,
        finding,
        action,
        ...(reason !== undefined && { reason }),
      })
    const selection = where !== undefined ? { where } : { digests: await digestsIn(digests!) }
    return post(api, `${path}/changes`, { version: ref, action, reason, ...selection })
  })
  const did = { exclude: 'excluded', include: 'taken back in', ask: 'without a label now, for labelling to ask' }[
    action
  ]
  invocation.answer({ name, ...changed }, () =>
    changed.images === 0
      ? `Nothing to change: no image was to be ${action === 'ask' ? 'asked again' : `${action}d`}.`
      : `${counted(changed.images, 'image')} ${did}   version sha256:${changed.version.slice(0, 12)}`,
  )
}

function post(api: ApiClient, path: string, body: unknown): Promise<{ version: string; images: number }> {
  return api.post(path, body)
}

/** One digest a line; what follows it is not looked at, so that a table will do. */
async function digestsIn(file: string): Promise<string[]> {
  const text = await readFile(file, 'utf8')
  const digests = [...text.matchAll(/^\W*([0-9a-f]{64})\b/gm)].map(([, digest]) => digest!)
  if (digests.length === 0)
    throw new PlatformError('INVALID_INPUT', `${file} holds no digest of an image; write one a line`)
  return digests
}

export interface SchemaOptions extends CommonOptions {
  readonly set?: string
  readonly boxes?: boolean
  readonly by?: string
  readonly preview?: boolean
  readonly reason?: string
}

/** @param operations - what was asked, in the order in which it was written. */
export async function schema(
  spec: string,
  operations: readonly (readonly [kind: Operation['do'], text: string])[],
  { set, boxes = false, by, preview = false, reason, ...options }: SchemaOptions,
): Promise<void> {
  const invocation = new Invocation(options)
  const { ref, path } = addressOf(spec)
  if (set !== undefined && operations.length > 0)
    throw new PlatformError('INVALID_INPUT', 'set a schema or migrate the one there is: give --set alone')
  await withStack(invocation, async ({ api }) => {
    if (operations.length > 0) {
      const asked = {
        version: ref,
        of: boxes ? 'boxes' : 'labels',
        operations: operations.map((said) => operationOf(said, by)),
      }
      const why = reason ?? operations.map((words) => words.join(' ')).join(', ')
      const plan = await api.post<Migrated>(`${path}/schema/migrations`, { ...asked, preview, reason: why })
      return invocation.answer(plan, () => migrationText(plan, preview))
    }
    if (set !== undefined) {
      const given: unknown = parse(await readFile(set, 'utf8'))
      await api.put(`${path}/schema`, { version: ref, schema: given, reason: reason ?? 'a label schema' })
    }
    const shown = await api.get<Omit<ShownSchema, 'version'> & { version: string }>(
      `${path}/schema?ref=${encodeURIComponent(set === undefined ? ref : 'latest')}`,
    )
    return invocation.answer(shown, () => schemaText(shown))
  })
}

type Migrated = MigrationPlan & { readonly version: string }

/** `A=B` of --rename, `A,B=C` of --merge, `A=B,C` of --split. */
function operationOf([kind, text]: readonly [Operation['do'], string], by: string | undefined): Operation {
  if (kind === 'add' || kind === 'remove') return { do: kind, class: text }
  const [left = '', right = ''] = text.split('=', 2)
  const [from, to] = [left, right].map((side) =>
    side
      .split(',')
      .map((name) => name.trim())
      .filter(Boolean),
  )
  const [one, other] = [from![0], to![0]]
  if (one === undefined || other === undefined)
    throw new PlatformError('INVALID_INPUT', `--${kind} ${text} does not say what becomes what; write ${FORMS[kind]}`)
  if (kind === 'rename') return { do: kind, class: one, to: other }
  if (kind === 'merge') return { do: kind, classes: from!, to: other }
  return { do: kind, class: one, into: to!, ...(by !== undefined && { by }) }
}

const FORMS = { rename: 'OLD=NEW', merge: 'A,B=NEW', split: 'OLD=A,B' } as const

function migrationText(
  { version, moves, needsPerson, schema: { classes, boxes } }: Migrated,
  preview: boolean,
): string {
  const asked = counted(needsPerson.images, 'image')
  return [
    preview ? 'This would happen; nothing is changed.' : `version sha256:${version.slice(0, 12)}`,
    '',
    table(
      ['class', 'becomes', 'images'],
      moves.map(({ from, to, images }) => [from, to, images]),
      'No label moves.',
    ),
    '',
    needsPerson.images === 0
      ? 'No image needs a person.'
      : `${asked} ${preview ? 'would need' : 'need'} a person: ${needsPerson.digests
          .slice(0, 3)
          .map((digest) => digest.slice(0, 12))
          .join(', ')}${needsPerson.images > 3 ? ' … (--json lists them)' : ''}`,
    `classes: ${classes.join(', ')}${boxes ? `; of boxes: ${boxes.join(', ')}` : ''}`,
  ].join('\n')
}

function schemaText({
  version,
  schema: { task, classes, boxes, attributes },
  isSet,
}: Omit<ShownSchema, 'version'> & { version: string }): string {
  const types = Object.entries(attributes).map(([name, type]) => [
    name,
    typeof type === 'string' ? type : type.join(' | '),
  ])
  return [
    `version sha256:${version.slice(0, 12)}   ${isSet ? `task ${task}` : 'nobody set a schema; this is what the labels say'}`,
    '',
    ` classes   ${classes.join(', ') || '–'}`,
    ` boxes     ${boxes?.join(', ') ?? '–'}`,
    '',
    table(['attribute', 'type'], types, 'No attributes.'),
  ].join('\n')
}
