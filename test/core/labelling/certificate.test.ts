import { describe, expect, it } from 'vitest'
import { seededRandom } from '#core/clustering'
import { errorsBound, missRateBound } from '../../../core/labelling/bounds.ts'
import { alphasOf, disputesOf, drawSample, judgeLook, standingAnswers } from '../../../core/labelling/certificate.ts'
import { drawOrder, freezeDigest } from '../../../core/labelling/draw.ts'
import { planLook, weighMoves } from '../../../core/labelling/look-plan.ts'
import type { Audit, PlannedScreen, Round, SessionEvent } from '../../../core/labelling/rounds.ts'
import type { Answer } from '../../../core/labelling/types.ts'

const audit: Audit = {
  look: 1,
  frozen: 'f',
  population: 100,
  sample: ['a', 'b', 'c', 'd'].map((image) => ({ image, label: 'cat' })),
  labels: '',
  expected: 0.1,
}

function screen(id: string, images: string[], gold: string[] = []): PlannedScreen {
  return { id, kind: 'verify', proposed: 'cat', images, secondGuess: images.map(() => null), gold }
}

function round(number: number, purpose: Round['purpose'], screens: PlannedScreen[]): Round {
  return { number, after: 0, purpose, screens, screensAfter: 0, accepted: 0, ...(purpose === 'audit' ? { audit } : {}) }
}

function answer(id: string, className: string | null, misfits: Answer['misfits'] = []): Answer {
  return { screen: id, annotator: 'anna', class: className, misfits, activeMs: null, at: '2026-01-01T00:00:00.000Z' }
}

const audited = round(1, 'audit', [screen('1', ['a', 'b', 'x'], ['x']), screen('2', ['c', 'd', 'y'], ['y'])])
const byClass = new Map([['cat', 100]])

describe('the chance of error', () => {
  const spentOn = (name: Parameters<typeof alphasOf>[0]): number => alphasOf(name).errors + alphasOf(name).gold

  it('is spent over all places of a line, however many there will be, and amounts to 5 %', () => {
    const places = Array.from({ length: 10_000 }, (_, i) => spentOn({ look: 1, place: i + 1 }))
    const total = places.reduce((sum, share) => sum + share, 0)
    expect(total).toBeLessThan(0.05)
    // What is left after k places beyond the third is an eighth of it over k.
    expect(0.05 - total).toBeCloseTo(0.05 / 8 / 9_997, 9)
    expect(places.every((share, i) => share > 0 && (i === 0 || share < places[i - 1]!))).toBe(true)
    expect(alphasOf({ look: 1, place: 1 }).errors).toBeCloseTo(0.02, 12)
    expect(alphasOf({ look: 3, place: 1 }).gold).toBeCloseTo(0.005, 12)
  })

  it('of looks without a place was spent over the four of their session', () => {
    expect([1, 2, 3, 4].reduce((sum, look) => sum + spentOn({ look }), 0)).toBeCloseTo(0.05, 12)
    expect(alphasOf({ look: 5 })).toEqual({ errors: 0, gold: 0 })
    for (const number of [1, 2, 3]) expect(spentOn({ look: number })).toBe(spentOn({ look: 1, place: number }))
  })
})

describe('the draw', () => {
  it('depends on the frozen labels, the look and nothing else', () => {
    const digests = Array.from({ length: 50 }, (_, i) => `image-${i}`)
    expect(drawSample(digests, 'f', 1, 10)).toEqual(drawSample(digests, 'f', 1, 10))
    expect(drawSample(digests, 'f', 1, 10)).not.toEqual(drawSample(digests, 'f', 2, 10))
    expect(drawSample(digests, 'f', 1, 10)).not.toEqual(drawSample(digests, 'g', 1, 10))
    expect(drawSample(digests, 'f', 1, 20).slice(0, 10)).toEqual(drawSample(digests, 'f', 1, 10))
  })

  it('puts every image first about equally often', () => {
    const firsts = Array.from({ length: 3_000 }, (_, key) => drawOrder(['a', 'b', 'c'], `${key}`)[0])
    for (const image of [0, 1, 2]) expect(firsts.filter((first) => first === image).length).toBeGreaterThan(900)
  })

  it('the name of frozen labels changes with any label', () => {
    expect(freezeDigest([['a', 'cat']])).not.toBe(freezeDigest([['a', 'dog']]))
  })
})

describe('a look', () => {
  it('counts no misfit as no wrong label, and gold that was marked as not missed', () => {
    const standing = new Map([
      ['1', answer('1', 'cat', [{ image: 'x', class: 'dog' }])],
      ['2', answer('2', 'cat', [{ image: 'y', class: 'dog' }])],
    ])
    const look = judgeLook(audit, [audited], standing, byClass)
    expect(look).toMatchObject({ found: 0, takenOut: 0, skipped: 0, gold: { shown: 2, missed: 0 } })
    const alpha = alphasOf(audit)
    const missRate = missRateBound(0, 2, alpha.gold)
    expect(look.gold.missRateAtMost).toBe(missRate)
    const bound = errorsBound({ population: 100, sample: 4, found: 0, missRate }, alpha.errors)
    expect(look.errorsAtMost).toBe(bound)
    expect(look.atLeast).toBeCloseTo(1 - bound / 100, 12)
  })

  it('counts a disputed label as wrong only when the second, blind look does not restore it', () => {
    const marks = [
      { image: 'a', class: 'dog' },
      { image: 'b', class: 'dog' },
      { image: 'x', class: 'dog' },
    ]
    const standing = new Map([
      ['1', answer('1', 'cat', marks)],
      ['2', answer('2', 'cat', [{ image: 'y', class: 'dog' }])],
    ])
    expect(disputesOf(audit, audited, standing)).toEqual(['a', 'b'])
    const second = round(2, 'adjudicate', [screen('3', ['a']), screen('4', ['b'])])
    standing.set('3', answer('3', 'cat'))
    standing.set('4', answer('4', 'bird'))
    const look = judgeLook(audit, [audited, second], standing, byClass)
    expect(look.found).toBe(1)
    expect(look.sample.map((s) => s.judged)).toEqual(['cat', 'bird', 'cat', 'cat'])
  })

  it('counts what nobody can name, and what was skipped, as wrong, and skipped gold as missed', () => {
    const standing = new Map([
      [
        '1',
        answer('1', 'cat', [
          { image: 'a', class: null, why: 'broken' },
          { image: 'x', class: 'dog' },
        ]),
      ],
      ['2', answer('2', null)],
    ])
    const look = judgeLook(audit, [audited], standing, byClass)
    expect(look).toMatchObject({ found: 3, takenOut: 1, skipped: 2, gold: { shown: 2, missed: 1 } })
    // Of 99 labels left, those that the bound allows stay wrong, but for the one taken out: skipped ones were not mended.
    expect(look.atLeast).toBeCloseTo(1 - Math.min(99, look.errorsAtMost - 1) / 99, 12)
    expect(disputesOf(audit, audited, standing)).toEqual([])
  })

  it('mended labels no longer count: a sample of everything that finds all leaves nothing wrong', () => {
    const whole = { ...audit, population: 4 }
    const certain = screen('1', ['a', 'b', 'c', 'd'])
    const standing = new Map([['1', answer('1', 'cat', [{ image: 'a', class: 'dog' }])]])
    // Without gold any miss rate is possible, so nothing can be said; `perClass` says the same of its class.
    const blind = judgeLook(whole, [round(1, 'audit', [certain])], standing, new Map([['cat', 4]]))
    expect(blind).toMatchObject({ errorsAtMost: 4, atLeast: 1 - 3 / 4, perClass: [{ class: 'cat', found: 1 }] })
  })

  it('the first answer that was not withdrawn stands', () => {
    const at = (n: number): string => `2026-01-01T00:00:0${n}.000Z`
    const events: SessionEvent[] = [
      { type: 'answer', revision: 0, ...answer('1', 'cat'), at: at(1) },
      { type: 'answer', revision: 0, ...answer('1', 'dog'), annotator: 'bert', at: at(2) },
    ]
    expect(standingAnswers(events).get('1')!.class).toBe('cat')
    events.push({ type: 'withdrawal', screen: '1', annotator: 'anna', revision: 1, at: at(3) })
    expect(standingAnswers(events).get('1')!.class).toBe('dog')
    events.push({ type: 'withdrawal', screen: '1', annotator: 'bert', revision: 1, at: at(4) })
    expect(standingAnswers(events).has('1')).toBe(false)
  })
})

describe('a line whose sessions look at the same labels again and again', () => {
  const LABELS = 400
  const SAMPLE = 120
  const GOLD = 30
  const names = Array.from({ length: LABELS }, (_, i) => `image-${i}`)

  /** Whether all three looks of a line tell the truth; people overlook `misses`, and what they find is mended. */
  function isTrueThroughout(seed: number): boolean {
    const random = seededRandom(seed)
    const misses = random() / 4
    const wrong = new Set(names.filter(() => random() < 0.06))
    return [1, 2, 3].every((place) => {
      const alpha = alphasOf({ look: 1, place })
      const frozen = `${seed}:${[...wrong].join(' ')}`
      const found = drawSample(names, frozen, place, SAMPLE).filter((name) => wrong.has(name) && random() >= misses)
      const missed = Array.from({ length: GOLD }, () => random() < misses).filter(Boolean).length
      const missRate = missRateBound(missed, GOLD, alpha.gold)
      const check = { population: LABELS, sample: SAMPLE, found: found.length, missRate }
      const isTrue = wrong.size <= errorsBound(check, alpha.errors)
      for (const name of found) wrong.delete(name)
      return isTrue
    })
  }

  it('tells the truth throughout in at least 95 % of all lines', () => {
    const lines = 500
    const isTrue = Array.from({ length: lines }, (_, seed) => isTrueThroughout(seed)).filter(Boolean).length
    expect(isTrue / lines).toBeGreaterThanOrEqual(0.95)
  })
})

describe('planning a look', () => {
  const facts = { look: 1, population: 60_000, target: 0.98, missRate: 0, goldAvailable: 1_000 }

  it('asks for a larger sample the more errors are expected, and for none when too many are', () => {
    const sizes = [0, 0.005, 0.01].map((expected) => planLook({ ...facts, expected })!.sample)
    expect(sizes[0]).toBeLessThan(sizes[1]!)
    expect(sizes[1]).toBeLessThan(sizes[2]!)
    const hopeless = planLook({ ...facts, expected: 0.3 })
    expect(hopeless === null || hopeless.sample > 50_000).toBe(true)
  })

  it('a planned sample that finds what is expected passes', () => {
    const { sample, gold } = planLook({ ...facts, expected: 0.005 })!
    const found = Math.round(0.005 * sample)
    const check = { population: 60_000, sample, found, missRate: missRateBound(0, gold, 0.005) }
    expect(1 - (errorsBound(check, 0.02) - found) / 60_000).toBeGreaterThanOrEqual(0.98)
  })

  it('verifies first where that costs less than the larger audit', () => {
    const plan = (expected: number) => planLook({ ...facts, population: 10_000, expected })
    const sure = weighMoves(new Float64Array(9_000).fill(0.001), 0, plan, 10_000)
    expect(sure.verify).toBe(0)
    const chances = new Float64Array(9_000).fill(0.001).fill(0.5, 0, 300)
    const unsure = weighMoves(chances, 0, plan, 10_000)
    expect(unsure.verify).toBeGreaterThan(100)
    expect(unsure.verify).toBeLessThanOrEqual(400)
  })

  it('verifies everything where nothing less will do', () => {
    const move = weighMoves(new Float64Array(500).fill(0.5), 0, () => null, 1_000)
    expect(move).toEqual({ verify: 500, look: null })
  })
})
