/** A run as lines: one a step, with counts, a bar while it runs, and seconds. */
import { stripVTControlCharacters } from 'node:util'
import pc from 'picocolors'
import type { RunReport, StepReport } from '#core/runs'
import { factsOf } from './facts.ts'
import { count, duration, fit, statusWord } from './words.ts'

const BAR_WIDTH = 20
const TIME_WIDTH = 12
/** A step's own columns; what lies beyond is for asides. */
const LONGEST_LINE = 84

export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number
}

/** Remembers when each step's progress began, for its rate. */
export class RunView {
  readonly #firstSeen = new Map<string, { readonly at: number; readonly done: number }>()

  constructor(
    private readonly width: number,
    private readonly clock: Clock = Date,
  ) {}

  /** All steps in plan order; those that have not begun are dim. */
  lines(report: RunReport): string[] {
    const nameWidth = Math.max(8, ...report.steps.map(({ id }) => id.length))
    return report.steps.flatMap((step) => this.stepLines(step, nameWidth))
  }

  stepLines(step: StepReport, nameWidth: number): string[] {
    const name = ` ${step.id.padEnd(nameWidth)}  `
    const time = this.#time(step)
    const room = Math.min(this.width, LONGEST_LINE) - name.length - TIME_WIDTH - 1
    const { text, aside } = this.#saying(step, room)
    const line = `${name}${padEnd(text, room)} ${time.padStart(TIME_WIDTH)}`
    if (!aside) return [line.trimEnd()]
    const oneLine = `${line}   ${pc.dim(aside)}`
    return stringWidth(oneLine) <= this.width
      ? [oneLine]
      : [line.trimEnd(), pc.dim(`${' '.repeat(name.length)}${fit(aside, this.width - name.length)}`)]
  }

  #time({ startedAt, endedAt, status }: StepReport): string {
    if (!startedAt || status === 'queued' || status === 'skipped') return ''
    return duration(Math.max(0, (endedAt ? Date.parse(endedAt) : this.clock.now()) - Date.parse(startedAt)))
  }

  #saying(step: StepReport, room: number): { text: string; aside?: string } {
    switch (step.status) {
      case 'completed': {
        const { text, aside } = factsOf(step)
        return { text: fit(text || 'done', room), ...(aside ? { aside } : {}) }
      }
      case 'running': {
        const waiting = step.progress?.waiting ?? (step.progress ? null : step.reason)
        // The whole sentence, as a failure's cause: people act on it.
        return waiting && waiting.length > room - 8
          ? { text: step.progress ? this.#progress(step, room) : statusWord('running'), aside: waiting }
          : { text: this.#progress(step, room) }
      }
      case 'waiting':
        return { text: step.progress ? this.#progress(step, room) : `${statusWord('waiting')} for ${awaited(step)}` }
      case 'queued':
        return { text: pc.dim('·') }
      case 'failed':
        // The whole cause, below where the line has no room for it.
        return step.reason && step.reason.length > room - 8
          ? { text: statusWord('failed'), aside: step.reason }
          : { text: `${statusWord('failed')}: ${step.reason ?? 'no cause was told'}` }
      default: {
        const reason = step.reason ? `: ${step.reason}` : ''
        return { text: `${statusWord(step.status)}${pc.dim(fit(reason, room - step.status.length))}` }
      }
    }
  }

  #progress(step: StepReport, room: number): string {
    const { progress } = step
    if (!progress) return pc.cyan('running') + (step.reason ? pc.dim(` ${fit(step.reason, room - 8)}`) : '')
    const { done, total, unit, note } = progress
    const first = this.#firstSeen.get(step.id) ?? { at: this.clock.now(), done }
    this.#firstSeen.set(step.id, first)
    const seconds = (this.clock.now() - first.at) / 1000
    const rate = seconds >= 0.5 && done > first.done ? `${count((done - first.done) / seconds)} ${unit}/s` : ''
    const told = [`${total ? `${count(done)} of ${count(total)}` : count(done)} ${unit}`, rate, note ?? '']
    const words = told.filter(Boolean).join('  ')
    if (!total) return fit(words, room)
    return `${bar(done / total)}  ${fit(words, room - BAR_WIDTH - 2)}`
  }
}

/** What a step waits for; people are told who must act. */
function awaited({ step }: StepReport): string {
  return { annotate: 'labels', approve: 'an approval: ./gyre run approve' }[step] ?? 'its turn'
}

function bar(share: number): string {
  const full = Math.round(Math.min(1, Math.max(0, share)) * BAR_WIDTH)
  return pc.cyan('━'.repeat(full)) + pc.dim('╌'.repeat(BAR_WIDTH - full))
}

/** Columns that a text takes, colours left out. */
function stringWidth(text: string): number {
  return stripVTControlCharacters(text).length
}

function padEnd(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - stringWidth(text)))
}
