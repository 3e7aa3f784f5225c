import type { SessionState } from '../api/types.ts'
import { count, duration } from '../parts/format.ts'

/** What is left of a session: screens, and how long they will take at the measured pace, else by the cost model. */
export function left({ screensLeft, screens, humanSeconds, secondsLeft }: SessionState): string {
  if (screensLeft === null) return 'not known yet'
  if (screensLeft === 0) return 'nothing'
  const seconds = secondsLeft ?? (screens > 0 ? (humanSeconds / screens) * screensLeft : null)
  const time = seconds === null ? '' : `, about ${duration(seconds * 1000)}`
  return `${count(screensLeft)} screen${screensLeft === 1 ? '' : 's'}${time}`
}
