/** Turns answers and truths into the figures of a report. Pure; the same answers always give the same report. */

import { calibrate, mcNemar, wilsonInterval, type Calibration } from './statistics.ts'

/** What a model says of one image: its class and the score it gives to that class, 0–1. */
export interface Answer {
  readonly digest: string
  readonly class: string
  readonly score: number
}

/** An answer beside what a person said. */
export interface JudgedAnswer extends Answer {
  readonly expected: string
}

export interface ClassFigures {
  readonly class: string
  /** Images that truly show it. */
  readonly images: number
  /** Right among those that the model calls so; null where it calls none so. */
  readonly precision: number | null
  /** Found among those that truly are; null where none is. */
  readonly recall: number | null
}

export interface Figures {
  /** Judged images. */
  readonly images: number
  readonly right: number
  readonly accuracy: number
  /** Two-sided 95 % (Wilson). */
  readonly interval: [number, number]
  readonly perClass: readonly ClassFigures[]
  /** `counts[truth][answer]`, both in the order of `classes`. */
  readonly confusion: { readonly classes: readonly string[]; readonly counts: readonly (readonly number[])[] }
  readonly calibration: Calibration
  /** Mistakes, most confident first, then by digest. */
  readonly mistakes: readonly JudgedAnswer[]
}

/**
 * @param judged - at least one.
 * @param classes - what the model can answer, in its order. Classes that only people used are added behind.
 */
export function measure(judged: readonly JudgedAnswer[], classes: readonly string[]): Figures {
  const strangers = new Set(judged.map(({ expected }) => expected).filter((name) => !classes.includes(name)))
  const names = [...classes, ...[...strangers].sort()]
  const counts = countConfusions(judged, names)
  const right = judged.filter(isRight).length
  return {
    images: judged.length,
    right,
    accuracy: right / judged.length,
    interval: wilsonInterval(right, judged.length),
    perClass: names.map((name, i) => classFigures(name, i, counts)),
    confusion: { classes: names, counts },
    calibration: calibrate(judged.map((answer) => ({ score: answer.score, right: isRight(answer) }))),
    mistakes: judged
      .filter((answer) => !isRight(answer))
      .sort((a, b) => b.score - a.score || (a.digest < b.digest ? -1 : 1)),
  }
}

function isRight(answer: JudgedAnswer): boolean {
  return answer.class === answer.expected
}

function countConfusions(judged: readonly JudgedAnswer[], names: readonly string[]): number[][] {
  const position = new Map(names.map((name, i) => [name, i]))
  const counts = names.map(() => names.map(() => 0))
  for (const answer of judged) {
    const row = counts[position.get(answer.expected)!]!
    row[position.get(answer.class)!]! += 1
  }
  return counts
}

function classFigures(name: string, i: number, counts: readonly (readonly number[])[]): ClassFigures {
  const truly = counts[i]!.reduce((sum, count) => sum + count, 0)
  const called = counts.reduce((sum, row) => sum + row[i]!, 0)
  const hits = counts[i]![i]!
  return {
    class: name,
    images: truly,
    precision: called === 0 ? null : hits / called,
    recall: truly === 0 ? null : hits / truly,
  }
}

/** Two models on the same images, side by side. */
export interface Comparison {
  readonly accuracy: number
  readonly interval: [number, number]
  readonly bothRight: number
  readonly onlyThis: number
  readonly onlyChampion: number
  readonly bothWrong: number
  /** Exact McNemar p-value of the difference. */
  readonly p: number
  /** Whether this model is at least `minGain` more accurate. */
  readonly beaten: boolean
}

/** @param mine and champions - answers on the same images in the same order, at least one. */
export function compare(
  mine: readonly JudgedAnswer[],
  champions: readonly JudgedAnswer[],
  minGain: number,
): Comparison {
  const tally = { bothRight: 0, onlyThis: 0, onlyChampion: 0, bothWrong: 0 }
  mine.forEach((answer, i) => {
    const [first, second] = [isRight(answer), isRight(champions[i]!)]
    tally[first ? (second ? 'bothRight' : 'onlyThis') : second ? 'onlyChampion' : 'bothWrong'] += 1
  })
  const right = tally.bothRight + tally.onlyChampion
  const gained = tally.onlyThis - tally.onlyChampion
  return {
    accuracy: right / mine.length,
    interval: wilsonInterval(right, mine.length),
    ...tally,
    p: mcNemar(tally.onlyThis, tally.onlyChampion),
    // A tolerance far below one image: 0.1 × 30 must be three images, not a little more.
    beaten: gained >= minGain * mine.length - 1e-6,
  }
}
