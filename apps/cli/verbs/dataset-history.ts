/** `gyre dataset log|diff|merge|tag|restore`: where versions came from, what tells them apart, and where refs point. */
import { readFile } from 'node:fs/promises'
import pc from 'picocolors'
import type { Conflict, Decision, DifferenceKind, DiffRow, HistoryEntry, VersionDiff } from '#core/datasets'
import { isPlatformError, PlatformError } from '#core/errors'
import { Invocation, type CommonOptions } from '../invocation.ts'
import { withStack } from '../stack-access.ts'
import { table } from '../table.ts'
import { count, counted, moment } from '../words.ts'

/** `name` or `name@ref`. */
function named(spec: string): { readonly name: string; readonly ref: string; readonly path: string } {
  const [name = '', ref = 'latest'] = spec.split('@', 2)
  return { name, ref, path: `/api/datasets/${encodeURIComponent(name)}` }
}

function queryOf(parameters: Readonly<Record<string, string | number | undefined>>): string {
  const given = Object.entries(parameters).flatMap(([key, value]): [string, string][] =>
    value === undefined ? [] : [[key, String(value)]],
  )
  return `?${new URLSearchParams(given).toString()}`
}

function short(version: string): string {
  return version.slice(0, 12)
}

export async function log(spec: string, options: CommonOptions & { limit?: string }): Promise<void> {
  const invocation = new Invocation(options)
  const { name, ref, path } = named(spec)
  const entries = await withStack(invocation, ({ api }) =>
    api.get<HistoryEntry[]>(`${path}/log${queryOf({ ref, limit: options.limit })}`),
  )
  invocation.answer(entries, () => logText(name, entries))
}

function logText(name: string, entries: readonly HistoryEntry[]): string {
  const width = Math.max(...entries.map(({ by }) => by.length))
  const blocks = entries.map(({ version, refs, images, at, by, parents, changes, note }) => {
    const names = refs.length > 0 ? `   ${pc.cyan(refs.join(', '))}` : ''
    const says = [...(changes ? [changesText(changes, parents)] : []), ...(note === '' ? [] : [pc.dim(note)])]
    const head = `${short(version)}   ${at === '' ? '–' : moment(at)}   ${by.padEnd(width)}   ${counted(images, 'image')}${names}`
    return [head, ...says.map((line) => `   ${line}`)].join('\n')
  })
  return [`${name}   ${counted(entries.length, 'version')}, newest first`, ...blocks].join('\n\n')
}

/** Each kind of difference that has a line of its own, and its word behind a number. */
const WORDS: readonly (readonly [kind: Exclude<DifferenceKind, 'relabelled' | 'boxed'>, word: string])[] = [
  ['excluded', 'left out'],
  ['included', 'taken back in'],
  ['resplit', 'moved between splits'],
  ['tagged', 'tagged otherwise'],
  ['described', 'with other attributes'],
  ['judged', 'judged by others'],
  ['regrouped', 'in other near-duplicate groups'],
]

/** "+312 −4 images, 96 relabelled"; of a merge, what it brought to the first parent. */
function changesText(diff: VersionDiff, parents: readonly string[]): string {
  const moved = [...(diff.added ? [`+${count(diff.added)}`] : []), ...(diff.removed ? [`−${count(diff.removed)}`] : [])]
  const images = diff.added + diff.removed === 1 ? 'image' : 'images'
  const relabelled = relabelledIn(diff)
  const said = [
    ...(moved.length > 0 ? [`${moved.join(' ')} ${images}`] : []),
    ...(relabelled ? [`${count(relabelled)} relabelled`] : []),
    ...WORDS.flatMap(([kind, word]) => (diff[kind] ? [`${count(diff[kind])} ${word}`] : [])),
    ...(diff.boxes ? [`${count(diff.boxes)} with other boxes`] : []),
    ...(diff.schema ? ['another label schema'] : []),
  ].join(', ')
  return parents.length > 1 ? `merge of ${short(parents[1]!)}: ${said || 'nothing new'}` : said || 'nothing'
}

function relabelledIn({ relabelled }: VersionDiff): number {
  return relabelled.reduce((sum, { images }) => sum + images, 0)
}

export interface DiffOptions extends CommonOptions {
  readonly images?: boolean
  readonly kind?: DifferenceKind
  readonly label?: string
  readonly limit?: string
}

/** @param to - a ref or a version of the same dataset, `latest` where left out; NAME@REF is understood, too. */
export async function diff(spec: string, to: string | undefined, options: DiffOptions): Promise<void> {
  const invocation = new Invocation(options)
  const { name, ref: from, path } = named(spec)
  const sides = { from, to: to === undefined ? 'latest' : refIn(name, to) }
  const { kind, label, limit } = options
  const wanted = Boolean(options.images) || kind !== undefined || label !== undefined
  const found = await withStack(invocation, async ({ api }) => ({
    ...sides,
    ...(await api.get<VersionDiff>(`${path}/diff${queryOf(sides)}`)),
    ...(wanted
      ? await api.get<{ rows: DiffRow[] }>(`${path}/diff/rows${queryOf({ ...sides, kind, label, limit })}`)
      : { rows: null }),
  }))
  invocation.answer(found, () => [diffText(name, found), ...(found.rows ? ['', rowsText(found.rows)] : [])].join('\n'))
}

function refIn(name: string, spec: string): string {
  const [other, ref] = spec.includes('@') ? (spec.split('@', 2) as [string, string]) : [name, spec]
  if (other === name) return ref
  throw new PlatformError(
    'INVALID_INPUT',
    `${spec} is of another dataset than ${name}; compare versions of one dataset`,
  )
}

function diffText(name: string, diff: VersionDiff & { readonly from: string; readonly to: string }): string {
  const facts: [string, string][] = [
    [
      'images',
      [diff.added ? `+${count(diff.added)}` : '', diff.removed ? `−${count(diff.removed)}` : ''].join(' ').trim(),
    ],
    ['labels', relabelledIn(diff) ? `${counted(relabelledIn(diff), 'image')} relabelled` : ''],
    ...WORDS.map(([kind, word]): [string, string] => [
      kind,
      diff[kind] ? `${counted(diff[kind], 'image')} ${word}` : '',
    ]),
    ['boxes', diff.boxes ? `${counted(diff.boxes, 'image')} with other boxes` : ''],
    ['schema', diff.schema ? 'another label schema' : ''],
  ]
  const told = facts.filter(([, says]) => says !== '')
  const width = Math.max(0, ...told.map(([fact]) => fact.length))
  const lines = told.map(([fact, says]) => ` ${fact.padEnd(width)}   ${says}`)
  const head = `${name}   ${diff.from} → ${diff.to}`
  if (told.length === 0) return `${head}\n\n nothing differs`
  const classes = diff.relabelled.map(({ from, to, images }) => [from ?? 'no label', to ?? 'no label', images])
  return [head, '', ...lines, ...(classes.length > 0 ? ['', table(['from', 'to', 'images'], classes, '')] : [])].join(
    '\n',
  )
}

function rowsText(rows: readonly DiffRow[]): string {
  const said = (side: DiffRow['was']): string =>
    side === null
      ? '–'
      : [side.label ?? 'no label', side.split, ...(side.excluded ? [`left out: ${side.excluded}`] : [])].join(', ')
  return table(
    ['image', 'what', 'before', 'after'],
    rows.map(({ digest, kinds, was, is }) => [short(digest), kinds.join(', '), said(was), said(is)]),
    'No image differs in this way.',
  )
}

export async function tag(
  spec: string,
  name: string,
  options: CommonOptions & { move?: boolean; note?: string },
): Promise<void> {
  const invocation = new Invocation(options)
  const { name: dataset, ref, path } = named(spec)
  const body = { tag: name, version: ref, move: options.move ?? false, note: options.note ?? '' }
  const made = await withStack(invocation, ({ api }) =>
    api.post<{ version: string; images: number }>(`${path}/tags`, body),
  )
  const answer = { name: dataset, tag: name, ...made }
  invocation.answer(answer, () => `${dataset}@${name} is ${short(made.version)}, ${counted(made.images, 'image')}`)
}

export async function restore(spec: string, options: CommonOptions & { ref: string; note?: string }): Promise<void> {
  const invocation = new Invocation(options)
  const { name, ref: version, path } = named(spec)
  if (!spec.includes('@'))
    throw new PlatformError(
      'INVALID_INPUT',
      `${spec} names no version; give NAME@VERSION, as \`gyre dataset log\` lists them`,
    )
  const body = { version, ref: options.ref, note: options.note ?? `restored ${version}` }
  const made = await withStack(invocation, ({ api }) =>
    api.post<{ version: string; images: number }>(`${path}/restore`, body),
  )
  const answer = { name, ref: options.ref, ...made }
  invocation.answer(
    answer,
    () => `${name}@${options.ref} is ${short(made.version)} again, ${counted(made.images, 'image')}`,
  )
}

export interface MergeOptions extends CommonOptions {
  readonly into: string
  readonly policy?: string
  readonly decisions?: string
  readonly note?: string
}

/** @param spec - NAME@REF: what comes in. */
export async function merge(spec: string, options: MergeOptions): Promise<void> {
  const invocation = new Invocation(options)
  const { name, ref: theirs, path } = named(spec)
  const policies = options.policy?.split(',').map((policy) => policy.trim()) ?? []
  const decisions = options.decisions === undefined ? [] : await readDecisions(options.decisions)
  const note = options.note ?? `merged ${theirs} into ${options.into}`
  const request = { ours: options.into, theirs, policies: policies[0] === 'fail' ? [] : policies, decisions, note }
  const made = await withStack(invocation, ({ api }) =>
    api.post<{ version: string; images: number }>(`${path}/merge`, request).catch((error: unknown) => {
      throw told(error, invocation)
    }),
  )
  const answer = { name, ref: options.into, ...made }
  invocation.answer(answer, () => `${name}@${options.into} is ${short(made.version)}, ${counted(made.images, 'image')}`)
}

async function readDecisions(file: string): Promise<readonly Decision[]> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as readonly Decision[]
  } catch (error) {
    throw new PlatformError(
      'INVALID_INPUT',
      `${file} is no JSON file; give a list of {digest, field, take}`,
      { file },
      { cause: error },
    )
  }
}

/** How many conflicts a person sees; `--json` lists all that the server told. */
const CONFLICTS_SHOWN = 20

/** Conflicts are shown before the failure that they are. */
function told(error: unknown, invocation: Invocation): unknown {
  if (!isPlatformError(error) || error.code !== 'DATASET_MERGE_CONFLICTS' || invocation.json) return error
  const { conflicts = [], total = 0 } = error.details as { conflicts?: Conflict[]; total?: number }
  const value = (of: unknown): string => {
    const label = typeof of === 'object' && of !== null && 'label' in of ? of.label : of
    return label === null ? 'nothing' : typeof label === 'string' ? label : JSON.stringify(label)
  }
  const rows = conflicts
    .slice(0, CONFLICTS_SHOWN)
    .map(({ digest, field, base, ours, theirs }) => [
      digest === null ? '–' : short(digest),
      field,
      ...[base, ours, theirs].map(value),
    ])
  const more = total > CONFLICTS_SHOWN ? `\n… and ${count(total - CONFLICTS_SHOWN)} more: --json` : ''
  invocation.remark(`${table(['image', 'field', 'before', 'ours', 'theirs'], rows, '')}${more}\n`)
  return error
}
