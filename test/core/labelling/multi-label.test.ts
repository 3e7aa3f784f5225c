import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { FinalLabel } from '../../../core/labelling/engine.ts'
import { MultiLabelEngine } from '../../../core/labelling/multi-label-engine.ts'
import { NO, pairEvents, pairLabels, pairName, pairRound, YES } from '../../../core/labelling/pairs.ts'
import type { AnswerEvent, LabellingProblem, PlannedScreen, SessionEvent } from '../../../core/labelling/rounds.ts'
import { simulatedAnswer } from '../../../core/labelling/simulate.ts'
import type { Misfit } from '../../../core/labelling/types.ts'
import { makeManyLabels, type ManyLabels } from './many-labels.ts'

const POLICY = { targetAccuracy: 0.95, seed: 7, task: 'multi' as const }
const set = makeManyLabels({ images: 500, shares: [0.5, 0.2, 0.04], noise: 0.5, seed: 3 })

type Respond = (screen: PlannedScreen) => Pick<AnswerEvent, 'class' | 'misfits'>

const truthfully =
  ({ truth }: ManyLabels): Respond =>
  (screen) =>
    simulatedAnswer(screen, truth, 'anna')

interface Played {
  readonly engine: MultiLabelEngine
  readonly events: SessionEvent[]
}

async function play(
  problem: LabellingProblem,
  respond: Respond,
  until: (played: Played) => boolean = () => false,
): Promise<Played> {
  const engine = await MultiLabelEngine.open(problem, POLICY)
  const played: Played = { engine, events: [] }
  for (;;) {
    while (engine.due) await engine.plan()
    const screen = engine.openScreens()[0]
    if (!screen || until(played)) return played
    const { class: className, misfits } = respond(screen)
    const event: SessionEvent = {
      ...{ type: 'answer', revision: 0, screen: screen.id, annotator: 'anna', activeMs: null },
      ...{ class: className, misfits, at: timeOf(played.events.length) },
    }
    engine.check(event)
    engine.apply(event)
    played.events.push(event)
  }
}

const timeOf = (i: number): string => new Date(1_700_000_000_000 + 1_000 * i).toISOString()

/** Wrong answers about a class: it is shown and not said, or said and not shown. */
function wrong(labels: readonly FinalLabel[], { truth }: ManyLabels, name: string): number {
  return labels.filter((row) => row.tags!.includes(name) !== truth[row.digest]!.includes(name)).length
}

describe('a session of several labels an image', () => {
  it('certifies all pairs of image and class, finds the rare class, and shows only a part of the pairs', async () => {
    const { engine } = await play(set.problem, truthfully(set))
    expect(engine.ending).toBe('certified')
    const labels = await engine.finalLabels()
    const { classes, digests } = set.problem
    const right =
      1 - classes.reduce((sum, name) => sum + wrong(labels, set, name), 0) / (digests.length * classes.length)
    expect(right).toBeGreaterThanOrEqual(engine.looks.at(-1)!.atLeast)
    expect(engine.looks.at(-1)!.population).toBe(digests.length * classes.length)
    const rare = digests.filter((digest) => set.truth[digest]!.includes('class-2')).length
    expect(wrong(labels, set, 'class-2')).toBeLessThan(rare / 4)
    expect(labels.every((row) => row.origin !== null && row.label === null)).toBe(true)
    expect(engine.tally.shown).toBeLessThan(digests.length * classes.length)
    expect(
      engine.looks
        .at(-1)!
        .perClass.map((bound) => bound.class)
        .sort(),
    ).toEqual(pairLabels(classes).sort())
  })

  it('asks one question a screen, answered yes or no, never twice about the same pair but in audits', async () => {
    const { engine } = await play(set.problem, truthfully(set))
    const asked = new Set<string>()
    for (const round of engine.rounds)
      for (const { kind, asks, proposed, images } of round.screens) {
        expect(set.problem.classes).toContain(asks)
        expect(images.length).toBeLessThanOrEqual(48)
        if (kind === 'verify') expect([YES, NO]).toContain(proposed)
        if (round.purpose !== 'explore' && round.purpose !== 'learn') continue
        for (const image of images) {
          expect(asked).not.toContain(pairName(image, asks!))
          asked.add(pairName(image, asks!))
        }
      }
  })

  it('rebuilding from the answers at any moment gives exactly the same next screens', async () => {
    const small = makeManyLabels({ images: 160, shares: [0.5, 0.15], noise: 0.9, seed: 5 })
    const { events } = await play(small.problem, truthfully(small))
    await fc.assert(
      fc.asyncProperty(fc.nat(events.length), async (count) => {
        const { engine } = await play(small.problem, truthfully(small), (played) => played.events.length === count)
        const again = await MultiLabelEngine.open(small.problem, POLICY)
        const adopted = await MultiLabelEngine.open(small.problem, POLICY)
        let next = 0
        const goOn = async (): Promise<void> => {
          while (again.due) await again.plan()
          while ((engine.rounds[next]?.after ?? Infinity) <= adopted.eventCount) adopted.adopt(engine.rounds[next++]!)
        }
        await goOn()
        for (const event of events.slice(0, count)) {
          again.apply(event)
          adopted.apply(event)
          await goOn()
        }
        expect(again.rounds).toEqual(engine.rounds)
        expect(again.openScreens()).toEqual(engine.openScreens())
        expect(adopted.openScreens()).toEqual(engine.openScreens())
        expect(again.tally).toEqual(engine.tally)
      }),
      { numRuns: 5, seed: 1 },
    )
  })

  it('takes what earlier sessions know, and begins with what a model suggested', async () => {
    const { digests, classes } = set.problem
    const said = Int8Array.from({ length: digests.length * classes.length }, (_, pair) =>
      set.truth[digests[Math.floor(pair / 3)]!]!.includes(classes[pair % 3]!) ? 1 : 0,
    )
    const suggested = await MultiLabelEngine.open({ ...set.problem, suggestedPairs: said }, POLICY)
    const [first] = [await suggested.plan()]
    const rare = first!.screens.filter(({ asks, proposed }) => asks === 'class-2' && proposed === YES)
    const shown = rare.flatMap(({ images }) => images)
    expect(shown.length).toBeGreaterThan(5)
    expect(shown.every((image) => set.truth[image]!.includes('class-2'))).toBe(true)
    expect(suggested.labelled).toBe(0)

    const known = Int8Array.from(said, (verdict, pair) => (pair % 3 === 0 ? -1 : verdict))
    const { engine } = await play({ ...set.problem, knownPairs: known }, truthfully(set))
    const asks = engine.rounds.flatMap((round) => (round.audit ? [] : round.screens.map((screen) => screen.asks)))
    expect([...new Set(asks)]).toEqual(['class-0'])
  })

  it('leaves out a broken image as a whole, and says of one that nobody knows what is known of its other classes', async () => {
    const [broken, vague] = set.problem.digests
    const { engine } = await play(set.problem, (screen) => {
      const { class: className, misfits } = simulatedAnswer(screen, set.truth, 'anna')
      const odd = screen.images.flatMap((image): Misfit[] => {
        if (image === broken) return [{ image, class: null, why: 'broken' }]
        return image === vague && screen.asks === 'class-1' ? [{ image, class: null, why: 'unsure' }] : []
      })
      const named = new Set(odd.map(({ image }) => image))
      return { class: className, misfits: [...misfits.filter(({ image }) => !named.has(image)), ...odd] }
    })
    const labels = await engine.finalLabels()
    const row = (digest: string | undefined): FinalLabel => labels.find((one) => one.digest === digest)!
    const asked = (image: string | undefined, name?: string): boolean =>
      engine.rounds.some((round) =>
        round.screens.some(({ asks, images }) => images.includes(image!) && (name === undefined || asks === name)),
      )
    expect(row(broken).excluded).toBe(asked(broken) ? 'broken' : null)
    expect(row(vague).excluded).toBeNull()
    if (asked(vague, 'class-1')) expect(row(vague).tags).not.toContain('class-1')
  })

  it('refuses an answer that is neither yes nor no, and more questions than it can hold', async () => {
    const { engine } = await play(set.problem, truthfully(set), () => true)
    const screen = engine.openScreens()[0]!
    const answer = { screen: screen.id, class: 'class-0', misfits: [] }
    expect(() => engine.check(answer)).toThrow(/"class-0" is no answer to whether an image shows "class-0"/)
    const digests = Array.from({ length: 50_000 }, () => '')
    const classes = Array.from({ length: 100 }, (_, c) => `c${c}`)
    await expect(MultiLabelEngine.open({ ...set.problem, digests, classes }, POLICY)).rejects.toThrow(
      /50000 images times 100 classes are more than the 4000000 questions/,
    )
  })

  it('asks no more about a class that was removed, and takes an image that was deleted off its screens', async () => {
    const { engine, events } = await play(set.problem, truthfully(set), (played) => played.events.length === 1)
    const at = (later: number): string => timeOf(events.length + later)
    engine.apply({ type: 'class-removed', name: 'class-1', into: null, by: 'lead', at: at(0) })
    expect(engine.classes).toEqual(['class-0', 'class-2'])
    const [screen] = engine.openScreens()
    const [gone] = screen!.images
    engine.apply({ type: 'image-removed', image: gone!, at: at(1) })
    expect(engine.eventCount).toBe(events.length + 2)
    expect(engine.openScreens().flatMap(({ images }) => images)).not.toContain(gone)
    expect(engine.openScreens().map(({ asks }) => asks)).not.toContain('class-1')
    for (let i = 2; ; i++) {
      while (engine.due) await engine.plan()
      const open = engine.openScreens()[0]
      if (!open) break
      const answer = simulatedAnswer(open, set.truth, 'anna')
      engine.apply({ type: 'answer', revision: 0, ...answer, at: at(i) })
    }
    expect(engine.ending).toBe('certified')
    expect(engine.looks.at(-1)!.population).toBe(2 * (set.problem.digests.length - 1))
    const labels = await engine.finalLabels()
    expect(labels.find(({ digest }) => digest === gone)!.excluded).toBe('deleted')
    expect(labels.some(({ tags }) => tags!.includes('class-1'))).toBe(false)
    expect(() => engine.checkClassChange({ add: 'rust' })).toThrow(/open one with the new classes/)
  })

  it('shows what somebody asks for next, under the class that they name', async () => {
    const { engine, events } = await play(set.problem, truthfully(set), (played) => played.events.length === 1)
    const images = set.problem.digests.slice(10, 20)
    const wanted = { type: 'requested' as const, images, proposed: 'class-2', by: 'lead', at: timeOf(events.length) }
    engine.apply({ ...wanted, review: true })
    for (let i = 1; !engine.rounds.some(({ purpose }) => purpose === 'asked'); i++) {
      const answer = simulatedAnswer(engine.openScreens()[0]!, set.truth, 'anna')
      engine.apply({ type: 'answer', revision: 0, ...answer, at: timeOf(events.length + i) })
      if (engine.due) await engine.plan()
    }
    const asked = engine.rounds.at(-1)!
    expect(asked.requestsServed).toBe(1)
    expect(new Set(asked.screens.map(({ asks, requestedBy }) => `${asks} ${requestedBy}`))).toEqual(
      new Set(['class-2 lead']),
    )
    expect(new Set(asked.screens.flatMap((screen) => screen.images))).toEqual(new Set(images))
  })

  it('gives reasons: the chance of its prediction, and the likest images that were asked the same', async () => {
    const { engine } = await play(set.problem, truthfully(set), ({ engine: played }) => played.rounds.length === 3)
    const screen = engine.openScreens()[0]!
    const reasons = await engine.reasons(screen.id, screen.images[0]!)
    expect(reasons.chance).toBeGreaterThan(0)
    expect(reasons.neighbours).toHaveLength(8)
    const similarities = reasons.neighbours.map(({ similarity }) => similarity)
    expect(similarities).toEqual([...similarities].sort((a, b) => b - a))
    await expect(engine.reasons(screen.id, 'f'.repeat(64))).rejects.toThrow(/is not on screen/)
  })
})

describe('pairs', () => {
  const screen: PlannedScreen = {
    ...{ id: '000001', kind: 'verify', asks: 'crack', proposed: YES },
    ...{ images: ['a', 'b'], secondGuess: [NO, NO], gold: ['b'] },
  }

  it('stand for image and class in screens and events', () => {
    const round = { number: 1, after: 0, purpose: 'learn' as const, screens: [screen], screensAfter: null, accepted: 0 }
    expect(pairRound(round).screens[0]).toEqual({
      ...screen,
      ...{ proposed: 'crack: yes', images: ['a:crack', 'b:crack'], secondGuess: ['crack: no', 'crack: no'] },
      gold: ['b:crack'],
    })
    const event: AnswerEvent = {
      ...{ type: 'answer', revision: 0, screen: '000001', annotator: 'anna', class: YES, activeMs: null, at: 'now' },
      misfits: [{ image: 'b', class: NO }],
    }
    expect(pairEvents(event, ['crack'], () => 'crack')).toEqual([
      { ...event, class: 'crack: yes', misfits: [{ image: 'b:crack', class: 'crack: no' }] },
    ])
    expect(pairEvents(event, ['crack'], () => undefined)).toEqual([])
    const removed = { type: 'image-removed' as const, image: 'a', at: 'now' }
    expect(pairEvents(removed, ['crack', 'dent'], () => undefined)).toEqual([
      { ...removed, image: 'a:crack' },
      { ...removed, image: 'a:dent' },
    ])
  })
})
