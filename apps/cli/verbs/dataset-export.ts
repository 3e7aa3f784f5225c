/** `gyre dataset export`: a version as files for other tools. */
import path from 'node:path'
import { exportDataset } from '#core/steps'
import { Invocation, type CommonOptions } from '../invocation.ts'
import { carryThrough, failureOf } from '../runs.ts'
import { withStack } from '../stack-access.ts'
import { counted } from '../words.ts'

/**
 * Exports by a run, so that it is durable, and returns when everything is written.
 *
 * @param spec - `name` or `name@ref`.
 */
export async function exportTo(
  spec: string,
  target: string,
  options: CommonOptions & { format: string },
): Promise<void> {
  const invocation = new Invocation(options)
  const [dataset = '', ref = 'latest'] = spec.split('@', 2)
  const exported = await withStack(invocation, async (use) => {
    const params = { dataset, ref, target: path.resolve(target), format: options.format }
    const { id } = await use.api.post<{ id: string }>('/api/pipelines/export-dataset/runs', { params })
    const report = await carryThrough(use, invocation, id)
    const step = report.steps.find((candidate) => candidate.step === exportDataset.name)
    if (report.status !== 'completed' || !step) throw failureOf(report)
    return exportDataset.output.parse(step.outputs)
  })
  invocation.answer(exported, () => exportText(exported))
}

function exportText({ target, images, version, format, cannotExpress }: typeof exportDataset.output._output): string {
  const head = `\n${target}   ${counted(images, 'image')}   version sha256:${version.slice(0, 12)} as ${format}`
  if (cannotExpress.length === 0) return head
  return [head, '', ` ${format} has no place for`, ...cannotExpress.map((what) => `   ${what}`)].join('\n')
}
