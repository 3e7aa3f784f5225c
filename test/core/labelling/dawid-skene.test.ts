import { describe, expect, it } from 'vitest'
import {
  estimateCrowd,
  STRANGERS,
  settle,
  skillFromGold,
  type Skill,
  type WeighedVote,
} from '../../../core/labelling/dawid-skene.ts'
import { uniforms } from './blobs.ts'

const CLASSES = ['a', 'b', 'c', 'd']

/** Judges verify grids: overlooks that the proposal is wrong, marks what fits, or names a wrong class, at given rates. */
function judge(truth: string, proposed: string, { miss, alarm, slip }: Skill, random: () => number): string {
  const anyBut = (name: string): string => {
    const others = CLASSES.filter((other) => other !== name)
    return others[Math.floor(random() * others.length)]!
  }
  if (truth === proposed) return random() < alarm ? anyBut(truth) : truth
  if (random() < miss) return proposed
  return random() < slip ? anyBut(truth) : truth
}

function simulate(people: ReadonlyMap<string, Skill>, images: number, seed: number) {
  const random = uniforms(seed)
  return Array.from({ length: images }, () => {
    const truth = CLASSES[Math.floor(random() * CLASSES.length)]!
    const proposed = random() < 0.8 ? truth : CLASSES[Math.floor(random() * CLASSES.length)]!
    const votes = [...people].map(([annotator, skill]): WeighedVote => {
      return { annotator, said: judge(truth, proposed, skill, random), proposed }
    })
    return { truth, votes }
  })
}

const careful: Skill = { miss: 0.02, alarm: 0.01, slip: 0.02 }
const hasty: Skill = { miss: 0.4, alarm: 0.03, slip: 0.15 }

describe('what several people say of one image', () => {
  it('tells how often each of them errs, from nothing but what they say', () => {
    const people = new Map([
      ['anna', careful],
      ['bert', careful],
      ['cleo', hasty],
    ])
    const crowd = estimateCrowd(
      simulate(people, 3_000, 5).map(({ votes }) => votes),
      new Map(),
      CLASSES.length,
    )
    for (const [name, { miss, alarm, slip }] of people) {
      expect(crowd.skills.get(name)!.miss).toBeCloseTo(miss, 1)
      expect(crowd.skills.get(name)!.alarm).toBeCloseTo(alarm, 1)
      expect(crowd.skills.get(name)!.slip).toBeCloseTo(slip, 1)
    }
  })

  it.each([1, 2, 3])('is weighed, with gold, into half the errors that a majority makes (seed %i)', (seed) => {
    const people = new Map([
      ['anna', careful],
      ['bert', hasty],
      ['cleo', hasty],
    ])
    const images = simulate(people, 3_000, seed)
    const gold = new Map([...people].map(([name, { miss }]) => [name, { shown: 100, missed: Math.round(100 * miss) }]))
    const crowd = estimateCrowd(
      images.map(({ votes }) => votes),
      gold,
      CLASSES.length,
    )
    const wrong = (say: (votes: readonly WeighedVote[]) => string): number =>
      images.filter(({ truth, votes }) => say(votes) !== truth).length
    const majority = wrong((votes) => {
      const count = (name: string): number => votes.filter(({ said }) => said === name).length
      return [...CLASSES].sort((a, b) => count(b) - count(a))[0]!
    })
    const weighed = wrong((votes) => settle(votes, crowd, CLASSES.length)!.said)
    expect(weighed).toBeLessThan(majority / 2)
  })

  it('weighs a mark against an acceptance by the rates of both and of the proposals', () => {
    const votes = [
      { annotator: 'anna', said: 'a', proposed: 'a' },
      { annotator: 'bert', said: 'b', proposed: 'a' },
    ]
    const skills = new Map([
      ['anna', { miss: 0.3, alarm: 0.01, slip: 0.1 }],
      ['bert', { miss: 0.1, alarm: 0.02, slip: 0.2 }],
    ])
    const marked = (0.1 / 3) * 0.3 * 0.9 * 0.8
    const fits = 0.9 * 0.99 * (0.02 / 3)
    const chance = expect.closeTo(marked / (marked + fits), 10) as number
    expect(settle(votes, { skills, right: 0.9 }, 4)).toEqual({ said: 'b', chance })
  })

  it('is what was said first where all else is equal', () => {
    const votes = [
      { annotator: 'anna', said: 'b', proposed: null },
      { annotator: 'bert', said: 'a', proposed: null },
    ]
    expect(settle(votes, STRANGERS, 2)).toEqual({ said: 'b', chance: expect.closeTo(0.5, 10) as number })
    expect(settle([], STRANGERS, 2)).toBeNull()
  })

  it('starts from the gold that each of them overlooked', () => {
    expect(skillFromGold().miss).toBe(1 / 20)
    expect(skillFromGold({ shown: 20, missed: 9 }).miss).toBe(10 / 40)
    const crowd = estimateCrowd([], new Map([['cleo', { shown: 20, missed: 9 }]]), 3)
    expect(crowd.skills.get('cleo')!.miss).toBe(10 / 40)
  })
})
