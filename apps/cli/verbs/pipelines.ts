/** `gyre pipeline list|plan|run`. */
import { PlatformError } from '#core/errors'
import { conditionText, mermaidOf, type Plan } from '#core/plan'
import type { Forecast, PipelineInfo } from '#core/runs'
import type { ApiClient } from '../api-client.ts'
import { forecastMarkdown, forecastSummary, forecastTable } from '../forecast-view.ts'
import { Invocation, type CommonOptions } from '../invocation.ts'
import { parseParams } from '../params.ts'
import { carryThrough, tellRun } from '../runs.ts'
import { withStack } from '../stack-access.ts'
import { table } from '../table.ts'
import { counted } from '../words.ts'

interface ParamOptions extends CommonOptions {
  readonly param: readonly string[]
}

export async function list(options: CommonOptions): Promise<void> {
  const invocation = new Invocation(options)
  const pipelines = await withStack(invocation, ({ api }) => api.get<PipelineInfo[]>('/api/pipelines'))
  invocation.answer(pipelines, () =>
    table(
      ['name', 'what it does', 'file'],
      pipelines.map(({ name, description, file }) => [name, description, file]),
      'No pipelines. A file in pipelines/ with `export default definePipeline({…})` adds one.',
    ),
  )
}

type Form = 'text' | 'json' | 'markdown' | 'mermaid'

export async function plan(
  name: string,
  options: ParamOptions & { readonly format: Form; readonly against?: string },
): Promise<void> {
  const invocation = new Invocation(options)
  const { frozen, forecast } = await withStack(invocation, async ({ api }) => {
    const path = `/api/pipelines/${encodeURIComponent(name)}`
    const params = await paramsFor(api, name, options.param)
    const frozen = await api.post<Plan>(`${path}/plan`, { params })
    const against = options.against === undefined ? {} : { against: options.against }
    return { frozen, forecast: await api.post<Forecast>(`${path}/forecast`, { params, ...against }) }
  })
  const forPeople: Record<Form, () => string> = {
    text: () => planText(frozen, forecast),
    markdown: () => forecastMarkdown(forecast, conditionsOf(frozen)),
    mermaid: () => mermaidOf(frozen),
    json: () => JSON.stringify(forecast, null, 2),
  }
  invocation.answer({ ...frozen, forecast }, forPeople[options.format])
}

export async function run(name: string, options: ParamOptions & { wait?: boolean; runId?: string }): Promise<void> {
  const invocation = new Invocation(options)
  await withStack(invocation, async (use) => {
    const params = await paramsFor(use.api, name, options.param)
    const body = { params, ...(options.runId ? { runId: options.runId } : {}) }
    const { id } = await use.api.post<{ id: string }>(`/api/pipelines/${encodeURIComponent(name)}/runs`, body)
    if (!options.wait && !use.own) {
      return invocation.answer({ id }, () => `${id}\n\n  ./gyre run watch ${id}`)
    }
    if (!options.wait) invocation.remark('gyre: no stack was running, so this command carries the run to its end')
    tellRun(invocation, await carryThrough(use, invocation, id))
  })
}

/** @throws {PlatformError} `PIPELINE_NOT_FOUND`; `INVALID_INPUT` for what is not `key=value`. */
async function paramsFor(api: ApiClient, name: string, pairs: readonly string[]): Promise<Record<string, unknown>> {
  const pipelines = await api.get<PipelineInfo[]>('/api/pipelines')
  const info = pipelines.find((pipeline) => pipeline.name === name)
  if (!info) {
    const names = pipelines.map((pipeline) => pipeline.name).join(', ')
    throw new PlatformError('PIPELINE_NOT_FOUND', `there is no pipeline "${name}"; there are: ${names || 'none'}`, {
      name,
    })
  }
  return parseParams(pairs, info.params)
}

/** One line a node: what it will do, how long that takes, and why. */
function planText(plan: Plan, forecast: Forecast): string {
  const against = forecast.against ? `   compared with ${forecast.against}` : ''
  const head = `${plan.pipeline}   ${counted(plan.nodes.length, 'step')}   plan sha256:${plan.digest.slice(0, 12)}${against}`
  return `${head}\n\n${forecastTable(forecast, conditionsOf(plan))}\n\n${forecastSummary(forecast)}`
}

/** When nodes run at all, where that is not always. */
function conditionsOf({ nodes }: Plan): ReadonlyMap<string, string> {
  return new Map(nodes.flatMap(({ id, when }) => (when ? [[id, `only when ${conditionText(when)}`]] : [])))
}
