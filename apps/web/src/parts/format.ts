/** Numbers, times and sizes as people read them: thousands separators, one unit, no needless digits. */

const counts = new Intl.NumberFormat('en')
const daysOfYears = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'short' })
const days = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' })

export const count = (n: number): string => counts.format(n)

/** A figure of any size, to four digits: `2,400`, `0.9513`, `1.3e-7`. */
export const figure = (n: number): string => (Number.isInteger(n) ? count(n) : String(Number(n.toPrecision(4))))

/** `1 image`, `2,400 images`. */
export const counted = (n: number, noun: string): string => `${count(n)} ${noun}${n === 1 ? '' : 's'}`

/** `97.4 %`; whole percents from 10 digits down are not rounded away. */
export const percent = (share: number, digits = 1): string => `${(share * 100).toFixed(digits)} %`

/** `97.4 % (96.1–98.4)`. */
export function estimate(share: number, interval: readonly [number, number] | null): string {
  const bounds = interval ? ` (${(interval[0] * 100).toFixed(1)}–${(interval[1] * 100).toFixed(1)})` : ''
  return percent(share) + bounds
}

/** `3.1 s`, `4 min 10 s`, `2 h 5 min`. */
export function duration(ms: number): string {
  const seconds = Math.max(0, ms) / 1000
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min${seconds % 60 >= 1 && minutes < 10 ? ` ${Math.floor(seconds % 60)} s` : ''}`
  const hours = Math.floor(minutes / 60)
  return `${hours} h${minutes % 60 ? ` ${minutes % 60} min` : ''}`
}

/** `2 Mar, 10:04`, in the time zone of the reader; with its year where that is another one. */
export function moment(iso: string): string {
  const at = new Date(iso)
  return (at.getFullYear() === new Date().getFullYear() ? days : daysOfYears).format(at)
}

export function size(bytes: number): string {
  if (bytes < 2 ** 20) return `${Math.max(1, Math.round(bytes / 2 ** 10))} KiB`
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`
}

/** The first characters of a digest: enough to tell versions apart by eye. */
export const short = (digest: string): string => digest.slice(0, 10)

export const elapsed = (startedAt: string, endedAt: string | null): string =>
  duration((endedAt ? Date.parse(endedAt) : Date.now()) - Date.parse(startedAt))
