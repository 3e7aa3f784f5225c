/** `gyre run logs`: what the steps of a run said, as it is kept in the store; with `--follow` until the run is over. */
import pLimit from 'p-limit'
import { setTimeout as delay } from 'node:timers/promises'
import pc from 'picocolors'
import type { LogLine, LogPage, RunReport, StepStatus } from '#core/runs'
import type { ApiClient } from '../api-client.ts'
import { Invocation, type CommonOptions } from '../invocation.ts'
import { isOver } from '../live.ts'
import { withStack } from '../stack-access.ts'
import { moment } from '../words.ts'

const FOLLOW_MS = 700
const READERS = 8
const OVER: ReadonlySet<StepStatus> = new Set(['completed', 'failed', 'cancelled', 'skipped'])

type StepLine = LogLine & { readonly step: string }

export async function logs(
  run: string,
  step: string | undefined,
  options: CommonOptions & { follow?: boolean },
): Promise<void> {
  const invocation = new Invocation(options)
  const lines = await withStack(invocation, async ({ api, signal }) => {
    const reader = new LogReader(api, run, step)
    const all: StepLine[] = []
    for (;;) {
      // First how the run stands, then its lines: after its end no line follows.
      const report = await api.get<RunReport>(`/api/runs/${encodeURIComponent(run)}`)
      const isLast = !options.follow || isOver(report)
      const fresh = await reader.read(report)
      all.push(...fresh)
      if (!invocation.json) for (const line of fresh) process.stdout.write(`${lineText(line, reader.nameWidth)}\n`)
      if (isLast) return all
      await delay(FOLLOW_MS, undefined, { signal })
    }
  })
  if (invocation.json || lines.length === 0) invocation.answer(lines, () => 'Nothing was said.')
}

/** Reads on where it stopped: one step, or all. */
class LogReader {
  readonly #next = new Map<string, number>()
  /** Steps of which nothing more can come. */
  readonly #read = new Set<string>()
  readonly #limit = pLimit(READERS)
  nameWidth = 0

  constructor(
    private readonly api: ApiClient,
    private readonly run: string,
    private readonly step: string | undefined,
  ) {}

  async read(report: RunReport): Promise<readonly StepLine[]> {
    const ids = this.step === undefined ? report.steps.map(({ id }) => id) : [this.step]
    this.nameWidth = Math.max(0, ...ids.map((id) => id.length))
    const unread = ids.filter((id) => !this.#read.has(id))
    const logs = await Promise.all(unread.map((id) => this.#limit(() => this.#readStep(id))))
    for (const { id, status } of report.steps) if (OVER.has(status)) this.#read.add(id)
    return logs.flat().sort((a, b) => a.at.localeCompare(b.at))
  }

  async #readStep(step: string): Promise<readonly StepLine[]> {
    const lines: StepLine[] = []
    for (;;) {
      const after = this.#next.get(step) ?? 0
      const path = `/api/runs/${encodeURIComponent(this.run)}/steps/${encodeURIComponent(step)}/log?after=${after}`
      const page = await this.api.get<LogPage>(path)
      for (const line of page.lines) lines.push({ step, ...line })
      if (page.next === after) return lines
      this.#next.set(step, page.next)
    }
  }
}

function lineText({ at, step, level, text, attempt }: StepLine, nameWidth: number): string {
  const time = pc.dim(moment(at).slice(-8))
  const mark = attempt > 1 ? pc.dim(` (attempt ${attempt})`) : ''
  const paint = level === 'error' ? pc.red : level === 'warn' ? pc.yellow : String
  const word = level === 'error' || level === 'warn' ? `${level}: ` : ''
  return `${time}  ${step.padEnd(nameWidth)}${mark}  ${paint(word + text)}`
}
