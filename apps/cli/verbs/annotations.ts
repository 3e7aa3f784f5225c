/** `gyre annotate import|export`: annotations of Label Studio and CVAT come in, labels of a session go out. */
import { createWriteStream } from 'node:fs'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import { importAnnotations } from '#core/steps'
import { Invocation, type CommonOptions } from '../invocation.ts'
import { carryThrough, failureOf } from '../runs.ts'
import { withStack } from '../stack-access.ts'
import { count, counted } from '../words.ts'

/**
 * Imports by a run, so that it is durable, and returns when the new version is there.
 *
 * @param spec - `name` or `name@ref`.
 */
export async function importFrom(
  spec: string,
  file: string,
  options: CommonOptions & { format: string; control?: string },
): Promise<void> {
  const invocation = new Invocation(options)
  const [dataset = '', ref = 'latest'] = spec.split('@', 2)
  const imported = await withStack(invocation, async (use) => {
    const { format, control } = options
    const params = { dataset, ref, file: path.resolve(file), format, ...(control === undefined ? {} : { control }) }
    const { id } = await use.api.post<{ id: string }>('/api/pipelines/import-annotations/runs', { params })
    const report = await carryThrough(use, invocation, id)
    const step = report.steps.find((candidate) => candidate.step === importAnnotations.name)
    if (report.status !== 'completed' || !step) throw failureOf(report)
    return importAnnotations.output.parse(step.outputs)
  })
  invocation.answer(imported, () => importText(imported))
}

function importText(imported: typeof importAnnotations.output._output): string {
  const { dataset, version, matched, unmatched, labelled, predicted, boxes, notes } = imported
  const parts = [
    counted(labelled, 'image'),
    'labelled,',
    ...(predicted ? [count(predicted), 'predicted,'] : []),
    ...(boxes ? [counted(boxes, 'box', 'boxes')] : []),
  ]
  return [
    `\n${dataset}   ${parts.join(' ').replace(/,$/, '')}   version sha256:${version.slice(0, 12)}`,
    ` ${count(matched)} of ${counted(matched + unmatched, 'image')} of the file are in the dataset`,
    ...(notes.length > 0 ? ['', ...notes.map((note) => `   ${note}`)] : []),
  ].join('\n')
}

export async function exportFrom(
  session: string,
  target: string,
  options: CommonOptions & { format: string; imageBase?: string },
): Promise<void> {
  const invocation = new Invocation(options)
  const file = path.resolve(target)
  const query = new URLSearchParams({ format: options.format })
  if (options.imageBase !== undefined) query.set('imageBase', options.imageBase)
  const sizeBytes = await withStack(invocation, async ({ api }) => {
    const body = await api.stream(`/api/sessions/${encodeURIComponent(session)}/export?${query.toString()}`)
    const sink = createWriteStream(file)
    await pipeline(body, sink)
    return sink.bytesWritten
  })
  invocation.answer(
    { session, file, format: options.format, sizeBytes },
    () => `${file}   ${count(sizeBytes)} bytes as ${options.format}`,
  )
}
