/** What is known of every image after some answers: its label, who gave it, who saw it. */

import { addWork, NO_WORK, type Tally } from './cost-model.ts'
import type { LabellingProblem, PlannedScreen, Round } from './rounds.ts'
import type { Answer } from './types.ts'

/** Why an image takes part in nothing, by its code in `excluded`. */
export const REASONS: readonly (string | undefined)[] = [
  undefined,
  'do not know',
  'broken',
  'skipped',
  'new class',
  'deleted',
]

const EXCLUDED = { unsure: 1, broken: 2, new: 4 } as const

/** Skipped screens come back once; the second skip takes an image out. */
const SKIPS_UNTIL_EXCLUDED = 2

/** Judgements of one answered screen, gold left out: a class per image, or the reason why it has none. */
export function judgements(
  screen: PlannedScreen,
  answer: Answer,
): {
  readonly image: string
  readonly class: string | null
  readonly why: 'unsure' | 'broken' | 'new' | 'skipped' | null
}[] {
  const misfits = new Map(answer.misfits.map((misfit) => [misfit.image, misfit]))
  const gold = new Set(screen.gold)
  return screen.images
    .filter((image) => !gold.has(image))
    .map((image) => {
      const misfit = misfits.get(image)
      if (misfit) return { image, class: misfit.class, why: misfit.class === null ? (misfit.why ?? 'unsure') : null }
      return { image, class: answer.class, why: answer.class === null ? 'skipped' : null }
    })
}

export class Book {
  /** Class that a person gave last, −1 for none. */
  readonly label: Int32Array
  /** 1 where a person looked at the image and judged it. */
  readonly seen: Uint8Array
  /** Code in `REASONS` of an image that takes part in nothing, else 0. */
  readonly excluded: Uint8Array
  private readonly skips: Uint8Array
  private goldShown = 0
  private goldMissed = 0
  tally: Tally = NO_WORK
  private readonly row: ReadonlyMap<string, number>
  private readonly classIndex: ReadonlyMap<string, number>

  constructor(problem: LabellingProblem, row: ReadonlyMap<string, number>) {
    this.row = row
    this.classIndex = new Map(problem.classes.map((name, index) => [name, index]))
    this.label = problem.known.slice()
    this.seen = Uint8Array.from(problem.known, (label) => (label >= 0 ? 1 : 0))
    this.excluded = problem.excluded.slice()
    this.skips = new Uint8Array(problem.digests.length)
  }

  /** Takes in the standing answer of a screen. The newest judgement of an image holds. */
  record(screen: PlannedScreen, answer: Answer): void {
    const misfits = new Set(answer.misfits.map((misfit) => misfit.image))
    if (answer.class !== null) {
      this.goldShown += screen.gold.length
      this.goldMissed += screen.gold.filter((image) => !misfits.has(image)).length
    }
    for (const judgement of judgements(screen, answer)) {
      const image = this.row.get(judgement.image)!
      if (judgement.why === 'skipped') {
        this.skips[image]! += 1
        if (this.skips[image]! >= SKIPS_UNTIL_EXCLUDED && !this.seen[image]) this.excluded[image] = 3
        continue
      }
      this.seen[image] = 1
      this.label[image] = judgement.class === null ? -1 : this.classIndex.get(judgement.class)!
      this.excluded[image] = judgement.why === null ? 0 : EXCLUDED[judgement.why]
    }
  }

  /** Counts the work of an answer, standing or not. */
  count(round: Round, screen: PlannedScreen, answer: Answer): void {
    const gold = screen.gold.length
    const audits = round.purpose === 'audit' ? screen.images.length - gold : 0
    this.tally = addWork(this.tally, screen, answer, { audits, gold })
  }

  isUnjudged(image: number): boolean {
    return !this.seen[image] && !this.excluded[image]
  }

  /** Images that nobody judged, ascending. */
  unjudged(): number[] {
    return [...this.label.keys()].filter((image) => this.isUnjudged(image))
  }

  /** Number of images that take part. */
  get included(): number {
    return this.excluded.reduce((count, reason) => count + (reason ? 0 : 1), 0)
  }

  /** Number of images that have a label from a person. */
  get labelled(): number {
    return this.label.reduce((count, label) => count + (label >= 0 ? 1 : 0), 0)
  }

  /** Share of gold misfits that people overlooked; 0 before any. */
  get missRate(): number {
    return this.goldShown === 0 ? 0 : this.goldMissed / this.goldShown
  }

  /** Misfits that people overlooked in grids, by the rate at which they overlook gold. */
  missesExpected(): number {
    const rate = Math.min(0.5, this.missRate)
    return (this.tally.misfits * rate) / (1 - rate)
  }
}
