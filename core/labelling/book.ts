/** What is known of every image after some answers: its label, who gave it, who saw it. */

import type { ClassNames } from './class-names.ts'
import { addWork, NO_WORK, type Tally } from './cost-model.ts'
import { settle, type Crowd, type GoldCount, type WeighedVote } from './dawid-skene.ts'
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

/** Said of an image in place of a class, with its code; no class has such a name. */
const UNSURE = '\0unsure'
const NEW = '\0new'
const EXCLUDED: ReadonlyMap<string, number> = new Map([
  [UNSURE, 1],
  ['\0broken', 2],
  [NEW, 4],
])
const SKIPPED = 3
const DELETED = 5

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
      if (answer.class === null) return { image, class: null, why: 'skipped' }
      return { image, class: proposalOn(screen, image, answer), why: null }
    })
}

/** Images of a screen that answers judge: all but gold. */
function judgedImages(screen: PlannedScreen): string[] {
  const gold = new Set(screen.gold)
  return screen.images.filter((image) => !gold.has(image))
}

/**
 * What the answers to one screen say of one image, in their order: a class as it is called now, or a reason to have none.
 * Skips, and classes that are no more, say nothing. "New class" means the class that got the name it was given; once a class
 * was added it says nothing else any more.
 */
export function votesOn(
  screen: PlannedScreen,
  image: string,
  answers: readonly Answer[],
  names: ClassNames,
): WeighedVote[] {
  return answers.flatMap((answer): WeighedVote[] => {
    const misfit = answer.misfits.find((one) => one.image === image)
    const proposed = names.current(proposalOn(screen, image, answer) ?? '')
    const vote = (said: string | null): WeighedVote[] =>
      said === null ? [] : [{ annotator: answer.annotator, said, proposed }]
    if (!misfit) return answer.class === null ? [] : vote(proposed)
    if (misfit.class !== null) return vote(names.current(misfit.class))
    const why = `\0${misfit.why ?? 'unsure'}`
    if (why !== NEW) return vote(why)
    return vote(names.current(misfit.note ?? '') ?? (answer.at < names.addedAt ? null : why))
  })
}

/** The class that an image has where it is not a misfit; null where its screen was skipped and proposed none. */
export function proposalOn(
  screen: Pick<PlannedScreen, 'images' | 'kind' | 'proposed' | 'proposals'>,
  image: string,
  answer: Pick<Answer, 'class'>,
): string | null {
  if (screen.kind === 'pair') return screen.proposals?.[screen.images.indexOf(image)] ?? null
  return answer.class ?? screen.proposed
}

export class Book {
  /** Class that people gave, −1 for none. */
  readonly label: Int32Array
  /** 1 where a person looked at the image and judged it. */
  readonly seen: Uint8Array
  /** Code in `REASONS` of an image that takes part in nothing, else 0. */
  readonly excluded: Uint8Array
  private readonly skips: Uint8Array
  private readonly gold = new Map<string, { shown: number; missed: number }>()
  tally: Tally = NO_WORK

  /** @param names - of `problem.classes`, with what became of them. */
  constructor(
    problem: LabellingProblem,
    private readonly row: ReadonlyMap<string, number>,
    private readonly names: ClassNames,
  ) {
    this.label = problem.known.map((label) => names.code(problem.classes[label] ?? null))
    this.seen = Uint8Array.from(this.label, (label) => (label >= 0 ? 1 : 0))
    this.excluded = problem.excluded.slice()
    this.skips = new Uint8Array(problem.digests.length)
  }

  /**
   * Takes in a standing answer. The newest screen on which an image was judged holds.
   *
   * @param earlier - what other people said of the same screen before, where several are asked.
   * @param crowd - how often each of them errs.
   */
  record(screen: PlannedScreen, answer: Answer, earlier: readonly Answer[], crowd: Crowd): void {
    this.countGold(screen, answer)
    if (answer.class === null) this.countSkips(screen, answer)
    const answers = [...earlier, answer]
    for (const image of judgedImages(screen)) {
      const row = this.row.get(image)!
      if (this.excluded[row] === DELETED) continue
      const said = this.settled(screen, image, answers, crowd)
      if (said === null) continue
      this.seen[row] = 1
      this.label[row] = this.names.code(said)
      this.excluded[row] = EXCLUDED.get(said) ?? 0
    }
  }

  /** Settles anew what several people said of a screen, where nobody judged its images on a later one. */
  settleAgain(
    screen: PlannedScreen,
    answers: readonly Answer[],
    crowd: Crowd,
    isNewest: (image: string) => boolean,
  ): void {
    for (const image of judgedImages(screen)) {
      const row = this.row.get(image)!
      const said =
        isNewest(image) && this.excluded[row] !== DELETED ? this.settled(screen, image, answers, crowd) : null
      if (said === null) continue
      this.label[row] = this.names.code(said)
      this.excluded[row] = EXCLUDED.get(said) ?? 0
    }
  }

  /** An image that is no more: no judgement brings it back. */
  remove(row: number): void {
    this.label[row] = -1
    this.excluded[row] = DELETED
  }

  /** A class, or a reason to have none; null where nobody said anything that still stands. */
  private settled(screen: PlannedScreen, image: string, answers: readonly Answer[], crowd: Crowd): string | null {
    const votes = votesOn(screen, image, answers, this.names)
    if (votes.length <= 1) return votes[0]?.said ?? null
    const known = votes.filter((vote) => vote.said !== UNSURE)
    return settle(known.length > 0 ? known : votes, crowd, this.names.live.length)!.said
  }

  private countGold(screen: PlannedScreen, answer: Answer): void {
    if (answer.class === null || screen.gold.length === 0) return
    const misfits = new Set(answer.misfits.map((misfit) => misfit.image))
    const count = this.gold.get(answer.annotator) ?? { shown: 0, missed: 0 }
    this.gold.set(answer.annotator, {
      shown: count.shown + screen.gold.length,
      missed: count.missed + screen.gold.filter((image) => !misfits.has(image)).length,
    })
  }

  private countSkips(screen: PlannedScreen, answer: Answer): void {
    for (const { image, why } of judgements(screen, answer)) {
      const row = this.row.get(image)!
      if (why !== 'skipped' || this.excluded[row]) continue
      this.skips[row]! += 1
      if (this.skips[row]! >= SKIPS_UNTIL_EXCLUDED && !this.seen[row]) this.excluded[row] = SKIPPED
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

  /** Gold misfits shown to each annotator, and overlooked by them. */
  get goldByAnnotator(): ReadonlyMap<string, GoldCount> {
    return this.gold
  }

  /** Share of gold misfits that people overlooked; 0 before any. */
  get missRate(): number {
    let [shown, missed] = [0, 0]
    for (const count of this.gold.values()) [shown, missed] = [shown + count.shown, missed + count.missed]
    return shown === 0 ? 0 : missed / shown
  }

  /** Misfits that people overlooked in grids, by the rate at which they overlook gold. */
  missesExpected(): number {
    const rate = Math.min(0.5, this.missRate)
    return (this.tally.misfits * rate) / (1 - rate)
  }
}
