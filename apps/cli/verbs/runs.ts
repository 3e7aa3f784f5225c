/** `gyre run list|show|watch|cancel|resume`. */
import { setTimeout as delay } from 'node:timers/promises'
import type { RunReport, RunStatus, RunSummary } from '#core/runs'
import type { ApiClient } from '../api-client.ts'
import { Invocation, type CommonOptions } from '../invocation.ts'
import { follow, isOver } from '../live.ts'
import { carryThrough, endAs, outcome, runText, tellRun } from '../runs.ts'
import { withStack } from '../stack-access.ts'
import { table } from '../table.ts'
import { duration, moment, statusWord } from '../words.ts'

/** A cancelled run stops within five seconds; a little more for a loaded machine. */
const CANCEL_WAIT_MS = 15_000
const POLL_MS = 150

const pathOf = (run: string, tail = '') => `/api/runs/${encodeURIComponent(run)}${tail}`

export interface ListOptions extends CommonOptions {
  readonly pipeline?: string
  readonly status?: RunStatus
  readonly limit?: number
}

export async function list({ pipeline, status, limit, ...options }: ListOptions): Promise<void> {
  const invocation = new Invocation(options)
  const filter = Object.entries({ pipeline, status, limit }).filter(([, value]) => value !== undefined)
  const query = new URLSearchParams(Object.fromEntries(filter.map(([name, value]) => [name, String(value)]))).toString()
  const runs = await withStack(invocation, ({ api }) => api.get<RunSummary[]>(`/api/runs${query && `?${query}`}`))
  invocation.answer(runs, () =>
    table(
      ['run', 'pipeline', 'status', 'started', 'took'],
      runs.map(({ id, pipeline, status, startedAt, endedAt }) => [
        id,
        pipeline,
        statusWord(status),
        moment(startedAt),
        endedAt ? duration(Date.parse(endedAt) - Date.parse(startedAt)) : '–',
      ]),
      query ? 'No such runs.\n\n  ./gyre run list' : 'No runs yet.\n\n  ./gyre pipeline run NAME',
    ),
  )
}

export async function show(run: string, options: CommonOptions): Promise<void> {
  const invocation = new Invocation(options)
  const report = await withStack(invocation, ({ api }) => api.get<RunReport>(pathOf(run)))
  invocation.answer(report, () => runText(report))
}

export async function watch(run: string, options: CommonOptions & { readonly events?: boolean }): Promise<void> {
  const invocation = new Invocation(options)
  await withStack(invocation, async (use) => {
    await use.api.get<RunReport>(pathOf(run)) // An unknown run is told before anything is drawn.
    if (options.events) {
      const tell = (report: RunReport) => void process.stdout.write(`${JSON.stringify(report)}\n`)
      return endAs(await follow(use.api, run, tell, use.signal))
    }
    tellRun(invocation, await carryThrough(use, invocation, run))
  })
}

/** Returns when the run has stopped, so that what follows in a script finds it so. */
export async function cancel(run: string, options: CommonOptions): Promise<void> {
  const invocation = new Invocation(options)
  const report = await withStack(invocation, async ({ api, signal }) => {
    await api.post(pathOf(run, '/cancel'))
    return untilOver(api, run, signal)
  })
  invocation.answer(report, () => outcome(report))
}

async function untilOver(api: ApiClient, run: string, signal: AbortSignal): Promise<RunReport> {
  const deadline = Date.now() + CANCEL_WAIT_MS
  for (;;) {
    const report = await api.get<RunReport>(pathOf(run))
    if (isOver(report) || Date.now() > deadline) return report
    await delay(POLL_MS, undefined, { signal })
  }
}

export async function resume(run: string, options: CommonOptions & { wait?: boolean }): Promise<void> {
  const invocation = new Invocation(options)
  await withStack(invocation, async (use) => {
    await use.api.post(pathOf(run, '/resume'))
    if (!options.wait && !use.own) {
      return invocation.answer({ id: run }, () => `${run} goes on.\n\n  ./gyre run watch ${run}`)
    }
    tellRun(invocation, await carryThrough(use, invocation, run))
  })
}
