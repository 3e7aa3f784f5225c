/**
 * Seconds of human work, by the keyboard cost model: what a session would take a practised person, whoever answered it.
 *
 *   T = Σ_grids [ M + K + n·scan + m·(toggle + relabel) ] − flips·relabel + N_single·single
 *
 * M and K are the keystroke-level model's mental step and key press (Card, Moran & Newell); `scan` gives 0.234 s per
 * image in full grids, beside 0.225 s observed with MorphoCluster; `single` is the mean of CIFAR-10H's 10-way labels.
 * On a screen of two panes a misfit that belongs to the other one goes there when it is marked: a flip, for which no class
 * is chosen. Audits are grids and cost as grids; withdrawn answers stay counted.
 */

import type { LabellingStats } from '#core/steps'
import type { Answer, Screen } from './types.ts'

export const KEYBOARD_SECONDS = {
  mental: 1.35,
  key: 0.28,
  /** To look at one thumbnail. */
  scan: 0.2,
  /** To mark one misfit: row and column key. */
  toggle: 0.6,
  /** To give a misfit its class: the second guess by one key, or a choice. */
  relabel: 1.09,
  /** To label one image alone: also the one-by-one baseline. */
  single: 1.93,
} as const

/** The same by mouse: a misfit is pointed at and clicked, its class chosen from all. */
export const MOUSE_SECONDS = { ...KEYBOARD_SECONDS, toggle: 1.3, relabel: 1.93 } as const

/** Counts of the work done so far. */
export interface Tally {
  /** Grids: cluster and verify screens. */
  readonly screens: number
  /** Images shown, with repeats, single ones included. */
  readonly shown: number
  readonly misfits: number
  /** Of the misfits: marked on a screen of two panes, and so moved to the other one. */
  readonly flips?: number
  readonly singles: number
  /** Of the shown: drawn for an audit. */
  readonly audits: number
  /** Of the shown: known images under a wrong class, to measure what people miss. */
  readonly gold: number
}

export const NO_WORK: Tally = { screens: 0, shown: 0, misfits: 0, singles: 0, audits: 0, gold: 0 }

/** The tally after one more answer; `audits` and `gold` say how many of the screen's images are such. */
export function addWork(
  tally: Tally,
  screen: Pick<Screen, 'kind' | 'images' | 'pair'>,
  answer: Pick<Answer, 'misfits'>,
  { audits, gold }: { audits: number; gold: number },
): Tally {
  const single = screen.kind === 'single'
  const flips = screen.pair ? answer.misfits.filter((misfit) => screen.pair!.includes(misfit.class ?? '')).length : 0
  return {
    screens: tally.screens + (single ? 0 : 1),
    shown: tally.shown + screen.images.length,
    misfits: tally.misfits + (single ? 0 : answer.misfits.length),
    ...(flips > 0 || tally.flips ? { flips: (tally.flips ?? 0) + flips } : {}),
    singles: tally.singles + (single ? 1 : 0),
    audits: tally.audits + audits,
    gold: tally.gold + gold,
  }
}

export function humanSeconds(
  { screens, shown, misfits, flips = 0, singles }: Tally,
  s: Readonly<Record<keyof typeof KEYBOARD_SECONDS, number>> = KEYBOARD_SECONDS,
): number {
  const grids =
    screens * (s.mental + s.key) + (shown - singles) * s.scan + misfits * (s.toggle + s.relabel) - flips * s.relabel
  return grids + singles * s.single
}

/** @param labelled - images that hold a label now and held none that a person saw before the session. */
export function labellingStats(tally: Tally, labelled: number): LabellingStats {
  const seconds = humanSeconds(tally)
  return {
    images: labelled,
    ...tally,
    costModel: 'keyboard',
    humanSeconds: seconds,
    speedUp: speedUp(labelled, seconds),
  }
}

/** One-by-one seconds for these images over the seconds worked; 1 before any work. */
export function speedUp(labelled: number, seconds: number): number {
  return seconds === 0 ? 1 : (labelled * KEYBOARD_SECONDS.single) / seconds
}
