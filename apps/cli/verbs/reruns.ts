/** `gyre run rerun|fork`: new runs that take over what still holds of an earlier one. */
import { createInterface } from 'node:readline/promises'
import { PlatformError } from '#core/errors'
import type { Forecast, PipelineInfo, RunReport } from '#core/runs'
import type { ApiClient } from '../api-client.ts'
import { forecastSummary, forecastTable } from '../forecast-view.ts'
import { Invocation, type CommonOptions } from '../invocation.ts'
import { parseParams } from '../params.ts'
import { carryThrough, tellRun } from '../runs.ts'
import { withStack, type StackUse } from '../stack-access.ts'

export interface BasedOptions extends CommonOptions {
  readonly param: readonly string[]
  readonly yes?: boolean
  readonly wait?: boolean
  readonly runId?: string
}

export async function rerun(run: string, options: BasedOptions & { readonly from: readonly string[] }): Promise<void> {
  if (options.from.length === 0 && options.param.length === 0)
    throw new PlatformError('INVALID_INPUT', 'say what is to run again: --from STEP, or a parameter with --param k=v')
  await startFrom(run, 'rerun', options, async (api) => {
    const { pipeline } = await api.get<RunReport>(`/api/runs/${encodeURIComponent(run)}`)
    return { from: options.from, params: await typedParams(api, pipeline, options.param) }
  })
}

export async function fork(run: string, options: BasedOptions & { readonly pipeline: string }): Promise<void> {
  await startFrom(run, 'fork', options, async (api) => {
    const { pipeline } = options
    return { pipeline, params: await typedParams(api, pipeline, options.param) }
  })
}

async function startFrom(
  run: string,
  verb: 'rerun' | 'fork',
  options: BasedOptions,
  asked: (api: ApiClient) => Promise<object>,
): Promise<void> {
  const invocation = new Invocation(options)
  await withStack(invocation, async (use) => {
    const path = `/api/runs/${encodeURIComponent(run)}/${verb}`
    const body = await asked(use.api)
    const forecast = await use.api.post<Forecast>(`${path}/plan`, body)
    if (!options.yes) await confirm(run, verb, forecast)
    else if (!invocation.json) process.stdout.write(`${preview(forecast)}\n\n`)
    const { id } = await use.api.post<{ id: string }>(path, { ...body, ...(options.runId && { runId: options.runId }) })
    await tellStarted(use, invocation, { id, forecast, wait: options.wait ?? false })
  })
}

async function tellStarted(
  use: StackUse,
  invocation: Invocation,
  { id, forecast, wait }: { readonly id: string; readonly forecast: Forecast; readonly wait: boolean },
): Promise<void> {
  if (!wait && !use.own) return invocation.answer({ id, forecast }, () => `${id}\n\n  ./gyre run watch ${id}`)
  tellRun(invocation, await carryThrough(use, invocation, id))
}

const preview = (forecast: Forecast): string => `${forecastTable(forecast)}\n\n${forecastSummary(forecast)}`

/** @throws {PlatformError} `INVALID_INPUT` when nobody is there to answer, or the answer is no. */
async function confirm(run: string, verb: string, forecast: Forecast): Promise<void> {
  const refuse = (why: string) => new PlatformError('INVALID_INPUT', `${why}; nothing was started`)
  if (!process.stdin.isTTY)
    throw refuse(`${verb} of ${run}: ${forecastSummary(forecast)}; say --yes to start it without being asked`)
  process.stderr.write(`${preview(forecast)}\n\n`)
  const prompt = createInterface({ input: process.stdin, output: process.stderr })
  try {
    const answer = (await prompt.question('Start it? [y/N] ')).trim().toLowerCase()
    if (answer !== 'y' && answer !== 'yes') throw refuse('the answer was no')
  } finally {
    prompt.close()
  }
}

/** @param pipeline - its name or file; one that is not there any more leaves values as they were written. */
async function typedParams(
  api: ApiClient,
  pipeline: string,
  pairs: readonly string[],
): Promise<Record<string, unknown>> {
  const pipelines = await api.get<PipelineInfo[]>('/api/pipelines')
  const info = pipelines.find(
    ({ name, file }) => name === pipeline || pipeline === file || pipeline.endsWith(`/${file}`),
  )
  return parseParams(pairs, info?.params)
}
