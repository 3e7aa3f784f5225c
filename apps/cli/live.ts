/** Follows a run to its end: rewritten in place on a terminal, appended line by line elsewhere, silent with `--json`. */
import { setTimeout as delay } from 'node:timers/promises'
import { isPlatformError } from '#core/errors'
import type { RunReport, RunStatus } from '#core/runs'
import type { ApiClient } from './api-client.ts'
import { RunView } from './run-view.ts'
import { terminalWidth } from './words.ts'

const OVER: readonly RunStatus[] = ['completed', 'failed', 'cancelled']
const REDRAW_MS = 200
/** How long the API may be away: it is being restarted. */
const PATIENCE_MS = 60_000
const RETRY_MS = 400

export type Listener = (report: RunReport) => void

export function isOver({ status }: Pick<RunReport, 'status'>): boolean {
  return OVER.includes(status)
}

/** Calls back with every new state; survives restarts of the API. @returns the last state. */
export async function follow(api: ApiClient, run: string, listener: Listener, signal: AbortSignal): Promise<RunReport> {
  let lastHeard = Date.now()
  for (;;) {
    try {
      for await (const report of api.watch(run, signal)) {
        lastHeard = Date.now()
        listener(report)
        if (isOver(report)) return report
      }
    } catch (error) {
      if (signal.aborted || (isPlatformError(error) && !error.retryable && error.code !== 'STACK_NOT_RUNNING'))
        throw error
      if (Date.now() - lastHeard > PATIENCE_MS) throw error
    }
    await delay(RETRY_MS, undefined, { signal })
  }
}

export interface Display {
  readonly show: Listener
  /** A sentence that stands under the steps. */
  readonly note: (text: string) => void
  /** Leaves the last state standing. */
  end(): void
}

/** @param silent - with `--json`, where standard output carries one value alone. */
export async function createDisplay({ silent }: { silent: boolean }): Promise<Display> {
  if (silent) return { show: () => undefined, note: () => undefined, end: () => undefined }
  return process.stdout.isTTY ? terminalDisplay() : appendedDisplay()
}

async function terminalDisplay(): Promise<Display> {
  const { createLogUpdate } = await import('log-update')
  const view = new RunView(terminalWidth())
  const update = createLogUpdate(process.stdout, { showCursor: true })
  let newest: RunReport | null = null
  const notes: string[] = []
  let ended = false
  const draw = () => {
    if (newest && !ended) update([...view.lines(newest), ...notes].join('\n'))
  }
  const timer = setInterval(draw, REDRAW_MS)
  return {
    show: (report) => {
      newest = report
      draw()
    },
    note: (text) => {
      notes.push('', text)
      draw()
    },
    end: () => {
      clearInterval(timer)
      draw()
      if (!ended) update.done()
      ended = true
    },
  }
}

/** One line when a step ended, and one when it began to wait for a person. */
function appendedDisplay(): Display {
  const view = new RunView(terminalWidth())
  const told = new Map<string, string>()
  return {
    show: (report) => {
      const nameWidth = Math.max(8, ...report.steps.map(({ id }) => id.length))
      for (const step of report.steps) {
        if (step.status === 'queued' || step.status === 'running' || told.get(step.id) === step.status) continue
        told.set(step.id, step.status)
        process.stdout.write(`${view.stepLines(step, nameWidth).join('\n')}\n`)
      }
    },
    note: (text) => void process.stdout.write(`${text}\n`),
    end: () => undefined,
  }
}
