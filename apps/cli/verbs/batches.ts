/** `gyre batch run|list`: a model or an algorithm over a folder or a dataset, with a reason for each image that failed. */
import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { PlatformError } from '#core/errors'
import type { RunStatus } from '#core/runs'
import { bundleAlgorithm } from '../algorithm-file.ts'
import { AnsweredFailure } from '../failure.ts'
import { Invocation, type CommonOptions } from '../invocation.ts'
import { carryThrough, outcome } from '../runs.ts'
import { withStack, type StackUse } from '../stack-access.ts'
import { table } from '../table.ts'
import { count, counted, moment, statusWord } from '../words.ts'
import { absoluteSource } from './datasets.ts'

interface BatchView {
  readonly id: string
  readonly model: string
  readonly source: string
  readonly status: RunStatus
  readonly startedAt: string
  readonly images: number | null
  readonly failed: readonly { readonly path: string; readonly reason: string }[]
  readonly ready: boolean
}

const FORMATS = { csv: 'results.csv', json: 'results.json', gallery: 'gallery.html' } as const
const FAILURES_SHOWN = 20

interface RunOptions extends CommonOptions {
  readonly on: string
  readonly out?: string
  readonly param: readonly string[]
}

export async function run(what: string, options: RunOptions): Promise<void> {
  const invocation = new Invocation(options)
  const who = await subject(what, options.param)
  const { answer, lastLine } = await withStack(invocation, async (use) => {
    const { id } = await use.api.post<{ id: string }>('/api/batches', { ...who, ...sourceOf(options.on) })
    const report = await carryThrough(use, invocation, id)
    const view = await use.api.get<BatchView>(`/api/batches/${encodeURIComponent(id)}`)
    const results = view.ready ? await saveResults(use, id, options.out) : null
    const { status, images, failed } = view
    return { answer: { id, status, images, failed, results }, lastLine: outcome(report) }
  })
  invocation.answer(answer, () => batchText(answer, lastLine))
  if (answer.status !== 'completed') throw new AnsweredFailure()
}

/**
 * An algorithm file goes along as one bundle; anything else names a model.
 *
 * @throws {PlatformError} `ALGORITHM_INVALID`; `INVALID_INPUT` with the path of a parameter that does not fit.
 */
async function subject(what: string, pairs: readonly string[]) {
  if (!/\.[mc]?[jt]s$/.test(what)) {
    if (pairs.length === 0) return { model: what }
    throw new PlatformError('INVALID_INPUT', `a model has no parameters; leave out --param, or give an algorithm file`)
  }
  return { algorithm: (await bundleAlgorithm(what, pairs)).algorithm }
}

/** A folder where there is one or where it reads like one, else a dataset. */
function sourceOf(on: string): { source: string } | { dataset: string } {
  const isFolder = existsSync(on) || on.startsWith('s3://') || on.includes(path.sep) || on === '.'
  return isFolder ? { source: absoluteSource(on) } : { dataset: on }
}

/** Keeps the results beside the state, or where the person wants them. @returns their paths. */
async function saveResults({ api, state }: StackUse, id: string, out: string | undefined) {
  const folder = path.resolve(out ?? path.join(state.path, 'batches', id))
  await mkdir(folder, { recursive: true })
  const save = async (name: string) => {
    const file = path.join(folder, name)
    await writeFile(file, await api.bytes(`/api/batches/${encodeURIComponent(id)}/${name}`))
    return file
  }
  const [csv, json, gallery] = await Promise.all([save(FORMATS.csv), save(FORMATS.json), save(FORMATS.gallery)])
  return { csv, json, gallery }
}

interface BatchAnswer extends Pick<BatchView, 'id' | 'status' | 'images' | 'failed'> {
  readonly results: { readonly csv: string; readonly json: string; readonly gallery: string } | null
}

function batchText({ images, failed, results }: BatchAnswer, lastLine: string): string {
  const rows = failed.slice(0, FAILURES_SHOWN).map(({ path: file, reason }) => [JSON.stringify(file), reason])
  const more = failed.length > FAILURES_SHOWN ? [`… and ${count(failed.length - FAILURES_SHOWN)} more: --json`] : []
  return [
    `\n${counted(images ?? 0, 'image')}, ${count(failed.length)} failed`,
    ...(rows.length > 0 ? [table(['failed', 'why'], rows, ''), ...more] : []),
    ...(results ? ['', ` gallery  ${results.gallery}`, ` table    ${results.csv}`, ` JSON     ${results.json}`] : []),
    '',
    lastLine,
  ].join('\n')
}

export async function list(options: CommonOptions): Promise<void> {
  const invocation = new Invocation(options)
  const batches = await withStack(invocation, ({ api }) => api.get<BatchView[]>('/api/batches'))
  invocation.answer(batches, () =>
    table(
      ['task', 'model', 'over', 'status', 'images', 'failed', 'started'],
      batches.map(({ id, model, source, status, images, failed, startedAt }) => [
        id,
        model,
        source,
        statusWord(status),
        images ?? '–',
        failed.length,
        moment(startedAt),
      ]),
      'No batch tasks yet.\n\n  ./gyre batch run MODEL --on FOLDER',
    ),
  )
}
