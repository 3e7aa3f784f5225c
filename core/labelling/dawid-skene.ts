/**
 * What several people say of one image, weighed by how often each of them errs.
 *
 * Dawid & Skene, "Maximum likelihood estimation of observer error-rates using the EM algorithm", Applied Statistics 28
 * (1979), with three rates a person in place of a full confusion matrix, for on a grid people do not choose freely: they
 * overlook that the proposed class is wrong (`miss`), mark an image that fits (`alarm`), or name a wrong class (`slip`).
 * What is true before anybody looked depends on the proposal, which is right at a rate that is estimated with the others.
 * Gold misfits, whose class is known, start and anchor the miss rates. Cost O(votes) an iteration. The same votes always
 * give the same answer, whatever the order of the map.
 */

/** What one person said of an image. `said` is a class, or any other token that is equal where people agree. */
export interface WeighedVote {
  readonly annotator: string
  readonly said: string
  /** What the screen proposed; null where it proposed nothing. */
  readonly proposed: string | null
}

/** Rates at which one person errs, 0–1. */
export interface Skill {
  readonly miss: number
  readonly alarm: number
  readonly slip: number
}

/** What is known of the people who vote, and of what is proposed to them. */
export interface Crowd {
  readonly skills: ReadonlyMap<string, Skill>
  /** Share of proposals that are right, 0–1. */
  readonly right: number
}

export interface GoldCount {
  readonly shown: number
  readonly missed: number
}

export interface Settled {
  readonly said: string
  /** 0–1. */
  readonly chance: number
}

/** Pseudo-counts of the rates: [erred, did not]. A person of whom nothing is known overlooks 5 %. */
const PRIOR = { miss: [1, 19], alarm: [1, 199], slip: [1, 19] } as const
/** Of proposals: [right, wrong]. */
const PRIOR_RIGHT = [18, 2] as const
const ITERATIONS = 20

type Counts = Record<keyof Skill, [number, number]>

/** Of people of whom nothing is known. */
export const STRANGERS: Crowd = { skills: new Map(), right: PRIOR_RIGHT[0] / (PRIOR_RIGHT[0] + PRIOR_RIGHT[1]) }

/** Skills from gold alone. */
export function skillFromGold(gold?: GoldCount): Skill {
  return ratesOf(startOf(gold))
}

/**
 * Estimates everybody's rates from images that several people judged.
 *
 * @param images - the votes of each image that has at least two.
 * @param gold - gold misfits shown to and overlooked by each annotator.
 * @param classes - number of classes, at least 2.
 */
export function estimateCrowd(
  images: readonly (readonly WeighedVote[])[],
  gold: ReadonlyMap<string, GoldCount>,
  classes: number,
): Crowd {
  const names = [...new Set([...gold.keys(), ...images.flatMap((votes) => votes.map((vote) => vote.annotator))])].sort()
  let crowd: Crowd = { ...STRANGERS, skills: new Map(names.map((name) => [name, skillFromGold(gold.get(name))])) }
  for (let iteration = 0; iteration < ITERATIONS && images.length > 0; iteration++) {
    const counts = new Map(names.map((name) => [name, startOf(gold.get(name))]))
    const proposals: [number, number] = [...PRIOR_RIGHT]
    for (const votes of images) {
      const proposed = commonProposal(votes)
      for (const [truth, chance] of posterior(votes, crowd, classes)) {
        if (proposed !== null) proposals[truth === proposed ? 0 : 1] += chance
        for (const vote of votes) count(counts.get(vote.annotator)!, vote, truth, chance)
      }
    }
    crowd = { skills: new Map([...counts].map(([name, own]) => [name, ratesOf(own)])), right: rate(proposals) }
  }
  return crowd
}

/** The likeliest truth behind some votes; of two that are equally likely, what was said first. */
export function settle(votes: readonly WeighedVote[], crowd: Crowd, classes: number): Settled | null {
  const chances = posterior(votes, crowd, classes)
  let best: Settled | null = null
  for (const { said } of votes) {
    const chance = chances.get(said)!
    if (!best || chance > best.chance + 1e-12) best = { said, chance }
  }
  return best
}

/** Chance of each truth that somebody said or that was proposed. */
function posterior(votes: readonly WeighedVote[], { skills, right }: Crowd, classes: number): Map<string, number> {
  const truths = [...new Set(votes.flatMap(({ said, proposed }) => (proposed === null ? [said] : [said, proposed])))]
  const proposed = commonProposal(votes)
  const before = (truth: string): number =>
    proposed === null ? 1 : truth === proposed ? right : (1 - right) / Math.max(1, classes - 1)
  const logs = truths.map((truth) =>
    votes.reduce(
      (sum, vote) => sum + Math.log(likelihood(vote, truth, skills.get(vote.annotator), classes)),
      Math.log(before(truth)),
    ),
  )
  const most = Math.max(...logs)
  const weights = logs.map((log) => Math.exp(log - most))
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  return new Map(truths.map((truth, i) => [truth, weights[i]! / total]))
}

/** What was proposed to all of them; null where it was not the same. */
function commonProposal(votes: readonly WeighedVote[]): string | null {
  const proposed = votes[0]?.proposed ?? null
  return votes.every((vote) => vote.proposed === proposed) ? proposed : null
}

/** Chance that the person says this when that is true. */
function likelihood({ said, proposed }: WeighedVote, truth: string, skill: Skill | undefined, classes: number): number {
  const { miss, alarm, slip } = skill ?? skillFromGold()
  const others = Math.max(1, classes - 1)
  if (proposed === null) return said === truth ? 1 - slip : slip / others
  if (proposed === truth) return said === truth ? 1 - alarm : alarm / others
  if (said === proposed) return miss
  return (1 - miss) * (said === truth ? 1 - slip : slip / others)
}

/** Adds one vote to the counts of errors, as far as this is the truth. */
function count(counts: Counts, { said, proposed }: WeighedVote, truth: string, chance: number): void {
  const add = (what: keyof Skill, erred: boolean): void => {
    counts[what][erred ? 0 : 1] += chance
  }
  if (proposed !== null && proposed === truth) return add('alarm', said !== truth)
  if (proposed !== null) add('miss', said === proposed)
  if (said !== proposed) add('slip', said !== truth)
}

function startOf({ shown, missed }: GoldCount = { shown: 0, missed: 0 }): Counts {
  return {
    miss: [PRIOR.miss[0] + missed, PRIOR.miss[1] + shown - missed],
    alarm: [...PRIOR.alarm],
    slip: [...PRIOR.slip],
  }
}

function ratesOf({ miss, alarm, slip }: Counts): Skill {
  return { miss: rate(miss), alarm: rate(alarm), slip: rate(slip) }
}

function rate([erred, not]: readonly [number, number]): number {
  return erred / (erred + not)
}
