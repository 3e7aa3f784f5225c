/** `gyre dataset import|list|show`. */
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { importImages } from '#core/steps'
import type { ApiClient } from '../api-client.ts'
import { Invocation, type CommonOptions } from '../invocation.ts'
import { carryThrough, failureOf } from '../runs.ts'
import { withStack } from '../stack-access.ts'
import { table } from '../table.ts'
import { count, counted, moment } from '../words.ts'

interface Rejection {
  readonly path: string
  readonly reason: string
}

/** How many rejections a person sees; `--json` lists all. */
const REJECTIONS_SHOWN = 20

interface ImportOptions extends CommonOptions {
  readonly labels: 'none' | 'folders'
  readonly format: string
  /** Seconds. */
  readonly every: number
  readonly reference: boolean
  /** A file to write. */
  readonly html?: string
}

/** Imports by a run, so that it is durable, and returns when the version is there. */
export async function importFrom(name: string, source: string, options: ImportOptions): Promise<void> {
  const { labels, format, every: everySeconds, reference, html } = options
  const invocation = new Invocation(options)
  const imported = await withStack(invocation, async (use) => {
    const params = { dataset: name, source: absoluteSource(source), labels, format, everySeconds, reference }
    const { id } = await use.api.post<{ id: string }>('/api/pipelines/import-dataset/runs', { params })
    const report = await carryThrough(use, invocation, id)
    const step = report.steps.find((candidate) => candidate.step === importImages.name)
    if (report.status !== 'completed' || !step) throw failureOf(report)
    const outputs = importImages.output.parse(step.outputs)
    const { rejected } = await readReport(use.api, outputs.report.sha256)
    if (html !== undefined && outputs.page) await savePage(use.api, outputs.page.sha256, html)
    return { name, version: outputs.version, images: outputs.images, duplicates: outputs.duplicates, rejected }
  })
  invocation.answer(imported, () => importText(imported))
}

/** Relative paths are meant from where the person is, not from where the worker runs. */
export function absoluteSource(source: string): string {
  return source.startsWith('s3://') ? source : path.resolve(source)
}

async function savePage(api: ApiClient, sha256: string, file: string): Promise<void> {
  await writeFile(file, await api.bytes(`/api/reports/${sha256}`))
}

async function readReport(api: ApiClient, sha256: string): Promise<{ rejected: Rejection[] }> {
  const { rejected } = await api.get<{ rejected: Rejection[] }>(`/api/reports/${sha256}`)
  return { rejected: rejected.map(({ path: file, reason }) => ({ path: file, reason })) }
}

function importText(imported: {
  name: string
  version: string
  images: number
  rejected: readonly Rejection[]
}): string {
  const { name, version, images, rejected } = imported
  const head = `\n${name}   ${counted(images, 'image')}   version sha256:${version.slice(0, 12)}`
  if (rejected.length === 0) return head
  const shown = rejected.slice(0, REJECTIONS_SHOWN).map(({ path: file, reason }) => [JSON.stringify(file), reason])
  const more =
    rejected.length > REJECTIONS_SHOWN ? `\n… and ${count(rejected.length - REJECTIONS_SHOWN)} more: --json` : ''
  return `${head}\n\n${table([`${counted(rejected.length, 'file')} rejected`, 'why'], shown, '')}${more}`
}

interface DatasetSummary {
  readonly name: string
  readonly version: string
  readonly images: number
  readonly labelled: number
  readonly classes: number
}

export async function list(options: CommonOptions): Promise<void> {
  const invocation = new Invocation(options)
  const datasets = await withStack(invocation, ({ api }) => api.get<DatasetSummary[]>('/api/datasets'))
  invocation.answer(datasets, () =>
    table(
      ['name', 'images', 'labelled', 'classes', 'version'],
      datasets.map(({ name, images, labelled, classes, version }) => [
        name,
        images,
        labelled,
        classes,
        `sha256:${version.slice(0, 12)}`,
      ]),
      'No datasets yet.\n\n  ./gyre dataset import NAME FOLDER',
    ),
  )
}

interface DatasetDetail extends Omit<DatasetSummary, 'classes'> {
  readonly humanSeen: number
  readonly excluded: number
  readonly splits: { readonly train: number; readonly test: number }
  readonly classes: readonly { class: string; images: number; humanSeen: number }[]
  readonly history: readonly { version: string; at: string | null; images: number | null }[]
}

export async function show(name: string, options: CommonOptions & { ref?: string }): Promise<void> {
  const invocation = new Invocation(options)
  const query = options.ref ? `?ref=${encodeURIComponent(options.ref)}` : ''
  const dataset = await withStack(invocation, ({ api }) =>
    api.get<DatasetDetail>(`/api/datasets/${encodeURIComponent(name)}${query}`),
  )
  invocation.answer(dataset, () => datasetText(dataset))
}

function datasetText({ name, version, images, labelled, humanSeen, splits, classes, history }: DatasetDetail): string {
  return [
    `${name}   version sha256:${version.slice(0, 12)}`,
    '',
    ` images   ${count(images)}: ${count(splits.train)} to train, ${count(splits.test)} held out`,
    ` labels   ${count(labelled)}, of which people saw ${count(humanSeen)}`,
    '',
    table(
      ['class', 'images', 'seen by people'],
      classes.map((row) => [row.class, row.images, row.humanSeen]),
      'No labels yet.',
    ),
    '',
    table(
      ['version', 'made', 'images'],
      history.map((row) => [`sha256:${row.version.slice(0, 12)}`, moment(row.at), row.images ?? '–']),
      '',
    ),
  ].join('\n')
}
