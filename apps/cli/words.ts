/** Numbers as people read them: thousands separators, seconds or minutes, MiB, percentages. */
import os from 'node:os'
import pc from 'picocolors'
import type { StepStatus } from '#core/runs'

const integer = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 })

export function count(value: number): string {
  return integer.format(value)
}

/** "1 image", "2,400 images". */
export function counted(value: number, singular: string, plural = `${singular}s`): string {
  return `${count(value)} ${value === 1 ? singular : plural}`
}

/** "0.8 s", "12.4 s", "95 s" from ten seconds on whole above a minute: "3 min 05 s", "2 h 10 min". */
export function duration(ms: number): string {
  const seconds = ms / 1000
  if (seconds < 100) return `${seconds.toFixed(1)} s`
  const whole = Math.round(seconds)
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, '0')} s`
  return `${Math.floor(whole / 3600)} h ${String(Math.floor((whole % 3600) / 60)).padStart(2, '0')} min`
}

/** A share as "97.4 %". */
export function percent(share: number, digits = 1): string {
  return `${(share * 100).toFixed(digits)} %`
}

export function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`
}

export function shortDigest(sha256: string): string {
  return `sha256:${sha256.slice(0, 6)}…`
}

/** Local date and time to the second. */
export function moment(iso: string | null): string {
  if (iso === null) return '–'
  const at = new Date(iso)
  const two = (value: number) => String(value).padStart(2, '0')
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`
}

/** Colour marks state, beside its word, never instead of it. */
export function statusWord(status: StepStatus): string {
  const paint = {
    queued: pc.dim,
    running: pc.cyan,
    waiting: pc.yellow,
    completed: pc.green,
    failed: pc.red,
    cancelled: pc.yellow,
    skipped: pc.dim,
  }[status]
  return paint(status)
}

/** At most `width` characters, the cut marked. */
export function fit(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`
}

/** Columns of the terminal, at least 80; 100 in a pipe. */
export function terminalWidth(): number {
  return Math.max(80, process.stdout.columns ?? 100)
}

/** Home as ~. */
export function shortPath(file: string): string {
  const home = os.homedir()
  return file === home || file.startsWith(`${home}/`) ? `~${file.slice(home.length)}` : file
}
