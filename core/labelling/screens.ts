/** Turns images into screens: grids of one class, pairs of panes, and images alone. */

import { layOut, type Group } from './grids.ts'
import { joinPanes, type Pair } from './pair-grids.ts'
import type { Prediction } from './probe.ts'
import type { LabellingProblem, PlannedScreen } from './rounds.ts'
import type { LabelSpace } from './space.ts'

/** A screen before it has its number. */
export type ScreenDraft = Omit<PlannedScreen, 'id'>

export class ScreenMaker {
  constructor(
    private readonly problem: LabellingProblem,
    private readonly space: LabelSpace,
  ) {}

  /** Grids of one proposed class each, like beside like, the least certain last. */
  grids(groups: ReadonlyMap<number, Group>, prediction: Prediction | null): ScreenDraft[] {
    const { digests, classes } = this.problem
    return this.laidOut(groups, prediction).map(({ proposed, cells }) => ({
      kind: 'verify',
      proposed: classes[proposed]!,
      images: cells.map(({ image }) => digests[image]!),
      secondGuess: cells.map(({ image }) => classes[prediction ? nextGuess(prediction, image, proposed) : -1] ?? null),
      gold: cells.filter((cell) => cell.gold).map(({ image }) => digests[image]!),
    }))
  }

  /** Two panes each, an image in the pane of its likelier class. */
  pairs(pairs: readonly Pair[], prediction: Prediction): ScreenDraft[] {
    const { digests, classes } = this.problem
    return pairs.flatMap(({ classes: [left, right], images }) => {
      const pane = (name: number) =>
        this.laidOut(
          new Map([[name, { images: images.filter((image) => prediction.best[image] === name), gold: [] }]]),
          prediction,
        ).flatMap(({ cells }) => cells)
      return joinPanes([pane(left), pane(right)], [left, right]).map(({ cells, proposals }): ScreenDraft => ({
        kind: 'pair',
        proposed: null,
        images: cells.map(({ image }) => digests[image]!),
        secondGuess: proposals.map((own) => classes[own === left ? right : left]!),
        proposals: proposals.map((own) => classes[own]!),
        pair: [classes[left]!, classes[right]!],
        gold: [],
      }))
    })
  }

  /** Look-alikes without a proposal. */
  cluster(images: readonly number[]): ScreenDraft {
    return { kind: 'cluster', proposed: null, ...this.bare(images) }
  }

  /** One image alone, without a proposal. */
  single(image: number): ScreenDraft {
    return { kind: 'single', proposed: null, ...this.bare([image]) }
  }

  private bare(images: readonly number[]): Pick<ScreenDraft, 'images' | 'secondGuess' | 'gold'> {
    return {
      images: images.map((image) => this.problem.digests[image]!),
      secondGuess: images.map(() => null),
      gold: [],
    }
  }

  private laidOut(groups: ReadonlyMap<number, Group>, prediction: Prediction | null): ReturnType<typeof layOut> {
    return layOut(groups, this.space.coordinates, (image, proposed) => {
      const margin = prediction?.margin[image] ?? 0
      return prediction?.best[image] === proposed ? margin : -margin
    })
  }
}

export function groupBy(images: readonly number[], classOf: (image: number) => number): Map<number, Group> {
  const groups = new Map<number, Group>()
  for (const image of images) {
    const proposed = classOf(image)
    const group = groups.get(proposed) ?? { images: [], gold: [] }
    group.images.push(image)
    groups.set(proposed, group)
  }
  return groups
}

/** Some screens among others, at even distances. */
export function interleave<T>(among: readonly T[], some: readonly T[]): T[] {
  const out = [...among]
  some.forEach((one, i) => out.splice(Math.round(((i + 0.5) * among.length) / some.length) + i, 0, one))
  return out
}

function nextGuess({ best, second }: Prediction, image: number, proposed: number): number {
  return best[image] === proposed ? second[image]! : best[image]!
}
