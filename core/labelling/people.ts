/**
 * Who did what, how fast and how well, and where two people say different things: computed from the events, for whoever
 * leads a session. The engine decides nothing by it.
 *
 * Times are active milliseconds as clients measured them, without idle ones. An answer of more than `LONGEST_MS` tells
 * nothing about a pace: somebody left the page open on a screen.
 */

import { proposalOn, votesOn } from './book.ts'
import { ClassNames } from './class-names.ts'
import { estimateCrowd, settle, type Crowd, type GoldCount, type WeighedVote } from './dawid-skene.ts'
import { pairName, VERDICTS } from './pairs.ts'
import type { AnswerEvent, PlannedScreen, WithdrawalEvent } from './rounds.ts'
import type { AnnotatorStats, Disagreement, Vote } from './types.ts'

const LONGEST_MS = 600_000
/** Characters of a digest, with which the name of what is judged begins. */
const DIGEST = 64

/** Active time on images. */
class Pace {
  private ms = 0
  private images = 0

  add(activeMs: number, images: number): void {
    this.ms += activeMs
    this.images += images
  }

  get secondsPerImage(): number | null {
    return this.images === 0 ? null : this.ms / 1_000 / this.images
  }
}

/** The counts of one annotator that withdrawals do not undo, for the work was done. */
class Work {
  screens = 0
  images = 0
  misfits = 0
  activeMs = 0
  controls = 0
  lastAt: string | null = null
  readonly grid = new Pace()
  readonly control = new Pace()
}

/** Of screens that ask whether an image shows a class. */
const VERDICT_NAMES = new ClassNames(VERDICTS)

/** What is judged: an image or, where the screen asks for one of several labels, an image and a class. */
function unitOf({ asks }: PlannedScreen, image: string): string {
  return asks === undefined ? image : pairName(image, asks)
}

/** A standing answer and its screen as it was shown. */
interface Answered {
  readonly answer: AnswerEvent
  readonly screen: PlannedScreen
  readonly round: number
}

export class People {
  private readonly work = new Map<string, Work>()
  private readonly grid = new Pace()
  private readonly control = new Pace()
  private gridScreens = { ms: 0, screens: 0 }
  /** Standing answers, by what they judge, in the order of their time. */
  private readonly byUnit = new Map<string, Answered[]>()
  /** By `screen annotator`. */
  private readonly standing = new Map<string, Answered>()
  /** What two people judged; of this, that on which they differ. */
  private readonly shared = new Set<string>()
  private readonly disputed = new Set<string>()
  private crowd: Crowd | null = null

  /** @param names - of the session's classes, as they change. */
  constructor(private readonly names: ClassNames) {}

  answered(answer: AnswerEvent, screen: PlannedScreen, round: number): void {
    this.countWork(answer, screen)
    const answered = { answer, screen, round }
    this.standing.set(pairOf(answer), answered)
    for (const unit of judgedUnits(screen)) {
      const all = this.byUnit.get(unit)
      if (all) all.push(answered)
      else this.byUnit.set(unit, [answered])
      if (all) this.compare(unit)
    }
    this.crowd = null
  }

  withdrawn(event: WithdrawalEvent): void {
    const answered = this.standing.get(pairOf(event))
    if (!answered) return
    this.standing.delete(pairOf(event))
    for (const unit of judgedUnits(answered.screen)) {
      const left = this.byUnit.get(unit)!.filter((one) => one !== answered)
      if (left.length > 0) this.byUnit.set(unit, left)
      else this.byUnit.delete(unit)
      this.compare(unit)
    }
    this.crowd = null
  }

  /** To be called when classes changed: people who differed may agree now. */
  classesChanged(): void {
    for (const unit of [...this.shared]) this.compare(unit)
    this.crowd = null
  }

  /** Active seconds an image of everybody; null before any were measured. */
  get pace(): { readonly grid: number | null; readonly control: number | null } {
    return { grid: this.grid.secondsPerImage, control: this.control.secondsPerImage }
  }

  /** Active seconds a screen; null before any were measured. */
  get secondsPerScreen(): number | null {
    const { ms, screens } = this.gridScreens
    return screens === 0 ? null : ms / 1_000 / screens
  }

  /** Annotators with a standing answer. */
  get count(): number {
    return new Set([...this.standing.values()].map(({ answer }) => answer.annotator)).size
  }

  get disagreementCount(): number {
    return this.disputed.size
  }

  /** By name. */
  stats(): AnnotatorStats[] {
    const gold = this.gold()
    return [...this.work.keys()].sort().map((annotator): AnnotatorStats => {
      const { screens, images, misfits, activeMs, controls, lastAt, grid, control } = this.work.get(annotator)!
      return {
        annotator,
        screens,
        images,
        misfits,
        activeMs,
        secondsPerImage: grid.secondsPerImage,
        controls: { images: controls, secondsPerImage: control.secondsPerImage },
        gold: gold.get(annotator) ?? { shown: 0, missed: 0 },
        agreement: this.agreementOf(annotator),
        lastAt,
      }
    })
  }

  /** Ascending by image, those after `after`. */
  disagreements(after: string | null, count: number): Disagreement[] {
    const units = [...this.disputed].filter((unit) => after === null || unit.slice(0, DIGEST) > after).sort()
    return units.slice(0, count).map((unit) => {
      const answers = this.byUnit.get(unit)!
      const { asks } = answers[0]!.screen
      const image = unit.slice(0, DIGEST)
      const named = this.weighed(unit).filter(({ said }) => this.namesOf(asks).has(said))
      const settled = settle(named, this.crowdNow(), this.classCount)
      return {
        image,
        ...(asks === undefined ? {} : { asks }),
        votes: answers.map((answered) => voteOf(image, answered)),
        settled: settled && { class: settled.said, chance: settled.chance },
      }
    })
  }

  /** Images that a standing answer of this annotator judges, ascending. */
  judgedBy(annotator: string): string[] {
    const all = [...this.standing.values()].filter(({ answer }) => answer.annotator === annotator)
    const units = all.flatMap(({ screen }) => judgedUnits(screen))
    return [...new Set(units.map((unit) => unit.slice(0, DIGEST)))].sort()
  }

  /** Whether this annotator judged the image on a screen of this round. */
  judgedInRound(annotator: string, image: string, round: number): boolean {
    const all = this.byUnit.get(image) ?? []
    return all.some((one) => one.round === round && one.answer.annotator === annotator)
  }

  /** Who judged each image, in the order of their answers, and when last. */
  judges(): ReadonlyMap<string, { readonly annotators: readonly string[]; readonly at: string }> {
    const judges = new Map<string, { annotators: readonly string[]; at: string }>()
    const byTime = [...this.standing.values()].sort((a, b) => (a.answer.at < b.answer.at ? -1 : 1))
    for (const { answer, screen } of byTime)
      for (const unit of judgedUnits(screen)) {
        const before = judges.get(unit.slice(0, DIGEST))?.annotators ?? []
        const annotators = before.includes(answer.annotator) ? before : [...before, answer.annotator]
        judges.set(unit.slice(0, DIGEST), { annotators, at: answer.at })
      }
    return judges
  }

  private countWork({ annotator, activeMs, misfits, at }: AnswerEvent, screen: PlannedScreen): void {
    const work = this.work.get(annotator) ?? new Work()
    this.work.set(annotator, work)
    work.screens += 1
    work.images += screen.images.length
    work.misfits += misfits.length
    work.activeMs += activeMs ?? 0
    work.lastAt = at
    if (screen.control) work.controls += 1
    if (activeMs === null || activeMs > LONGEST_MS) return
    if (screen.control) for (const pace of [work.control, this.control]) pace.add(activeMs, 1)
    if (screen.kind === 'single') return
    for (const pace of [work.grid, this.grid]) pace.add(activeMs, screen.images.length)
    this.gridScreens = { ms: this.gridScreens.ms + activeMs, screens: this.gridScreens.screens + 1 }
  }

  private compare(unit: string): void {
    const votes = this.weighed(unit)
    const several = new Set(votes.map((vote) => vote.annotator)).size > 1
    mark(this.shared, unit, several)
    mark(this.disputed, unit, several && new Set(votes.map((vote) => vote.said)).size > 1)
  }

  /** The newest vote of each person, in the order of their time. */
  private weighed(unit: string): WeighedVote[] {
    const votes = (this.byUnit.get(unit) ?? []).flatMap(({ answer, screen }) =>
      votesOn(screen, unit.slice(0, DIGEST), [answer], this.namesOf(screen.asks)),
    )
    return votes.filter((vote, i) => !votes.slice(i + 1).some((later) => later.annotator === vote.annotator))
  }

  private namesOf(asks: string | undefined): ClassNames {
    return asks === undefined ? this.names : VERDICT_NAMES
  }

  private agreementOf(annotator: string): AnnotatorStats['agreement'] {
    let [images, equal] = [0, 0]
    for (const unit of this.shared) {
      const votes = this.weighed(unit)
      const own = votes.find((vote) => vote.annotator === annotator)
      if (!own) continue
      images += 1
      if (votes.every((vote) => vote.said === own.said)) equal += 1
    }
    return { images, equal }
  }

  private gold(): Map<string, GoldCount> {
    const counts = new Map<string, GoldCount>()
    for (const { answer, screen } of this.standing.values()) {
      if (answer.class === null || screen.gold.length === 0) continue
      const marked = new Set(answer.misfits.map((misfit) => misfit.image))
      const { shown, missed } = counts.get(answer.annotator) ?? { shown: 0, missed: 0 }
      counts.set(answer.annotator, {
        shown: shown + screen.gold.length,
        missed: missed + screen.gold.filter((image) => !marked.has(image)).length,
      })
    }
    return counts
  }

  private crowdNow(): Crowd {
    if (!this.crowd) {
      const votes = [...this.shared].sort().map((unit) => this.weighed(unit))
      this.crowd = estimateCrowd(votes, this.gold(), this.classCount)
    }
    return this.crowd
  }

  private get classCount(): number {
    return Math.max(2, this.names.live.length)
  }
}

function voteOf(image: string, { answer, screen }: Answered): Vote {
  const misfit = answer.misfits.find((one) => one.image === image)
  const accepted = answer.class === null ? null : proposalOn(screen, image, answer)
  return {
    screen: answer.screen,
    annotator: answer.annotator,
    class: misfit ? misfit.class : accepted,
    why: misfit?.class === null ? (misfit.why ?? 'unsure') : null,
    proposed: screen.proposals?.[screen.images.indexOf(image)] ?? screen.proposed,
    at: answer.at,
  }
}

/** All but gold. */
function judgedUnits(screen: PlannedScreen): string[] {
  const gold = new Set(screen.gold)
  return screen.images.flatMap((image) => (gold.has(image) ? [] : [unitOf(screen, image)]))
}

function mark(set: Set<string>, value: string, holds: boolean): void {
  if (holds) set.add(value)
  else set.delete(value)
}

function pairOf({ screen, annotator }: { readonly screen: string; readonly annotator: string }): string {
  return `${screen} ${annotator}`
}
