/**
 * What people look at next: the move that certifies most images per second of theirs.
 *
 * A certificate lets a share of 1 − target be wrong. So a label that is put right is worth 1 / (1 − target) images that
 * may be certified with it, an image that somebody judges is worth itself, and an audit is worth all images that it will
 * probably certify. The audit comes once verifying more would cost more seconds than it saves the audit (`weighMoves`).
 */

import { KEYBOARD_SECONDS } from './cost-model.ts'
import { GRID, type Round } from './rounds.ts'

const s = KEYBOARD_SECONDS

/** One image in a full grid, and one misfit in it, in seconds. */
const SECONDS_SHOWN = s.scan + (s.mental + s.key) / GRID
const SECONDS_MISFIT = s.toggle + s.relabel

/** Seconds that an image in a full grid takes, which is a misfit with this chance. */
export function secondsOf(misfit: number): number {
  return SECONDS_SHOWN + misfit * SECONDS_MISFIT
}

export interface Move {
  readonly purpose: Round['purpose']
  /** What it is, with its figures: a clause that goes on after "Next:". */
  readonly what: string
  /** Images that may be certified thanks to it, as expected. */
  readonly images: number
  readonly seconds: number
}

/** What showing images is expected to bring. */
export function showing(
  work: {
    readonly purpose: Round['purpose']
    readonly what: string
    readonly shown: number
    /** Of them: wrong as things stand. */
    readonly wrong: number
    /** Images that come with them unseen. */
    readonly unseen?: number
  },
  target: number,
): Move {
  const { purpose, what, shown, wrong, unseen = 0 } = work
  return {
    purpose,
    what,
    images: shown + unseen + wrong / (1 - target),
    seconds: shown * SECONDS_SHOWN + wrong * SECONDS_MISFIT,
  }
}

/**
 * The move that brings most per second; of equals the first.
 *
 * @returns the move, and why in one sentence. Null when there is none.
 */
export function chooseMove(moves: readonly Move[]): { readonly move: Move; readonly because: string } | null {
  const [move, next] = [...moves].sort((a, b) => rateOf(b) - rateOf(a))
  if (!move) return null
  const than = next ? `, against ${figure(rateOf(next))} for ${next.what}` : ''
  return { move, because: `${capital(move.what)}: ${figure(rateOf(move))} images certified a second${than}.` }
}

function rateOf({ images, seconds }: Move): number {
  return images / Math.max(seconds, 1e-9)
}

function figure(rate: number): string {
  return rate >= 10 ? String(Math.round(rate)) : rate.toFixed(1)
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
