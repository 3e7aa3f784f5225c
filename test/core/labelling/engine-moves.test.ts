import { describe, expect, it } from 'vitest'
import { LabellingEngine } from '../../../core/labelling/engine.ts'
import type { LabellingPolicy, PlannedScreen, Round, SessionEvent } from '../../../core/labelling/rounds.ts'
import { simulatedAnswer } from '../../../core/labelling/simulate.ts'
import type { Misfit } from '../../../core/labelling/types.ts'
import { makeBlobs, type Blobs } from './blobs.ts'

const POLICY: LabellingPolicy = { targetAccuracy: 0.95, seed: 7, controls: 0 }
const EASY = { images: 600, classes: 4, spread: 0.06, seed: 1 }

/** A session that somebody plays by hand. */
class Session {
  private at = 1_700_000_000_000

  private constructor(
    readonly blobs: Blobs,
    readonly engine: LabellingEngine,
  ) {}

  static async open(blobs: Blobs, policy = POLICY): Promise<Session> {
    const session = new Session(blobs, await LabellingEngine.open(blobs.problem, policy))
    await session.plan()
    return session
  }

  async tell(event: SessionEvent): Promise<void> {
    this.engine.apply(event)
    await this.plan()
  }

  now(): string {
    return new Date((this.at += 1_000)).toISOString()
  }

  /** Answers screens by `respond`, truthfully if it is left out, as long as there are any and `until` does not hold. */
  async play(
    until: (session: Session) => boolean = () => false,
    respond: (screen: PlannedScreen) => { class: string | null; misfits: readonly Misfit[] } = (screen) =>
      simulatedAnswer(screen, this.blobs.truth, 'anna'),
  ): Promise<void> {
    for (;;) {
      const screen = this.engine.openScreens()[0]
      if (!screen || until(this)) return
      const { class: chosen, misfits } = respond(screen)
      const facts = { screen: screen.id, annotator: 'anna', revision: 0, activeMs: null, at: this.now() }
      await this.tell({ type: 'answer', class: chosen, misfits, ...facts })
    }
  }

  rounds(purpose: Round['purpose']): readonly Round[] {
    return this.engine.rounds.filter((round) => round.purpose === purpose)
  }

  private async plan(): Promise<void> {
    while (this.engine.due) await this.engine.plan()
  }
}

const imagesOf = (rounds: readonly Round[]): string[] =>
  rounds.flatMap(({ screens }) => screens.flatMap(({ images }) => images))

describe('what the engine shows next', () => {
  it('is told with its reason, round by round', async () => {
    const session = await Session.open(makeBlobs(EASY))
    await session.play()
    expect(session.engine.ending).toBe('certified')
    for (const { because } of session.engine.rounds) expect(because).toMatch(/^\S.{20,}\.$/)
    expect(session.rounds('learn')[0]!.because).toMatch(/^Verify \d+ uncertain images, \d+ of them probably wrong: /)
  })

  it('is what somebody asked for, before what the engine has planned', async () => {
    const session = await Session.open(makeBlobs(EASY))
    const images = session.blobs.problem.digests.slice(100, 160)
    await session.tell({ type: 'requested', images, proposed: 'class-2', by: 'lea', at: session.now() })
    const asked = session.rounds('asked')
    expect(asked).toHaveLength(1)
    expect(session.engine.openScreens()[0]).toMatchObject({ kind: 'verify', proposed: 'class-2', requestedBy: 'lea' })
    const explored = new Set(imagesOf(session.rounds('explore')))
    expect(imagesOf(asked).sort()).toEqual(images.filter((image) => !explored.has(image)).sort())
    await session.play()
    expect(session.engine.ending).toBe('certified')
  })

  it('shows labelled images again only where a review is asked for, under the label they have', async () => {
    const session = await Session.open(makeBlobs(EASY))
    const { truth } = session.blobs
    await session.play(({ engine }) => engine.labelled > 0 && engine.rounds.length > 1)
    const images = session.rounds('explore')[0]!.screens[0]!.images
    const ask = { type: 'requested', images, proposed: null, by: 'lea' } as const
    await session.tell({ ...ask, at: session.now() })
    expect(imagesOf(session.rounds('asked'))).toEqual([])
    await session.tell({ ...ask, review: true, at: session.now() })
    const [, review] = session.rounds('asked')
    expect(imagesOf([review!]).sort()).toEqual([...images].sort())
    for (const { proposed, images: shown } of review!.screens)
      for (const image of shown) expect(proposed).toBe(truth[image])
  })

  it('has random images alone on their screens, about as many of all as the policy says', async () => {
    const session = await Session.open(makeBlobs({ ...EASY, images: 1_500 }), { ...POLICY, controls: 0.02 })
    await session.play()
    const learning = session.rounds('learn').flatMap(({ screens }) => screens)
    const controls = learning.filter(({ control }) => control)
    expect(controls.length).toBeGreaterThanOrEqual(5)
    expect(controls.length).toBeLessThanOrEqual(Math.ceil(0.02 * session.engine.tally.shown))
    for (const { kind, images, proposed } of controls)
      expect([kind, images.length, proposed]).toEqual(['single', 1, null])
    const { digests, heldOut } = session.blobs.problem
    for (const { images } of controls) expect(heldOut[digests.indexOf(images[0]!)]).toBe(1)
  })

  it('gathers what people say is of a missing class, and shows it under the class once that is added', async () => {
    const { problem, truth } = makeBlobs(EASY)
    const classes = problem.classes.filter((name) => name !== 'class-3')
    const session = await Session.open({ problem: { ...problem, classes }, truth })
    const withoutThird = (screen: PlannedScreen) => {
      const known = Object.fromEntries(screen.images.map((image) => [image, truth[image]!]))
      const answer = simulatedAnswer(screen, known, 'anna')
      const isMissing = (name: string | null) => !session.engine.classes.includes(name ?? '')
      const chosen = isMissing(answer.class)
        ? (classes.find((name) => Object.values(known).includes(name)) ?? null)
        : answer.class
      const misfits = screen.images.flatMap((image): Misfit[] => {
        if (known[image] === chosen) return []
        return isMissing(known[image]!) ? [{ image, class: null, why: 'new' }] : [{ image, class: known[image]! }]
      })
      return { class: chosen ?? classes[0]!, misfits }
    }
    const isDiscovery = ({ because }: Round) => /missing/.test(because ?? '')
    await session.play(({ engine }) => engine.rounds.some(isDiscovery), withoutThird)
    const gathered = session.engine.rounds.find(isDiscovery)!
    expect(gathered.screens[0]!.kind).toBe('cluster')
    const share =
      imagesOf([gathered]).filter((image) => truth[image] === 'class-3').length / imagesOf([gathered]).length
    expect(share).toBeGreaterThan(0.8)

    await session.tell({ type: 'class-added', name: 'class-3', by: 'lea', at: session.now() })
    await session.play(undefined, withoutThird)
    const labels = await session.engine.finalLabels()
    const third = labels.filter(({ digest }) => truth[digest] === 'class-3')
    expect(third.filter(({ label }) => label === 'class-3').length / third.length).toBeGreaterThan(0.9)
    expect(session.engine.ending).toBe('certified')
  })

  it('grows large pure clusters by pages that vouch for those before them', async () => {
    const blobs = makeBlobs({ images: 1_200, classes: 3, spread: 0.05, seed: 4 })
    const { problem, truth } = blobs
    // One cluster a class, as of an embedder that knows the classes: each far larger than a screen.
    const assignment = Int32Array.from(problem.digests, (digest) => problem.classes.indexOf(truth[digest]!))
    const { cols } = problem.embeddings
    const centroids = { data: new Float32Array(3 * cols), rows: 3, cols }
    assignment.forEach((cluster, image) => {
      for (let j = 0; j < cols; j++)
        centroids.data[cluster * cols + j]! += problem.embeddings.data[image * cols + j]! / 400
    })
    const session = await Session.open(
      { problem: { ...problem, assignment, centroids }, truth },
      { ...POLICY, targetAccuracy: 0.99 },
    )
    await session.play()
    const pages = session.rounds('grow').flatMap(({ screens }) => screens)
    expect(pages.length).toBeGreaterThan(0)
    for (const page of pages)
      expect(page).toMatchObject({ kind: 'verify', grows: { unit: expect.any(String) as string } })
    expect(Math.max(...pages.map(({ vouches }) => vouches ?? 0))).toBeGreaterThan(48)
    expect(session.engine.ending).toBe('certified')
  })

  it('looks again at labels that the model contradicts, and mends what was overlooked', async () => {
    const session = await Session.open(makeBlobs({ ...EASY, spread: 0.1 }))
    const { truth } = session.blobs
    const overlooked = new Set<string>()
    await session.play(undefined, (screen) => {
      const answer = simulatedAnswer(screen, truth, 'anna')
      // Overlooks every fifth misfit of the learning rounds, once.
      const isLearning = session.engine.roundOf(screen.id)?.purpose === 'learn'
      const misfits = answer.misfits.filter(({ image }, i) => {
        if (!isLearning || i % 5 > 0 || overlooked.has(image)) return true
        overlooked.add(image)
        return false
      })
      return { class: answer.class, misfits }
    })
    expect(overlooked.size).toBeGreaterThan(3)
    const labels = new Map((await session.engine.finalLabels()).map(({ digest, label }) => [digest, label]))
    const mended = [...overlooked].filter((image) => labels.get(image) === truth[image])
    expect(mended.length / overlooked.size).toBeGreaterThan(0.5)
  })

  it('is explained image by image, but not where a person shall judge alone', async () => {
    const session = await Session.open(makeBlobs(EASY), { ...POLICY, controls: 0.02 })
    const { engine, blobs } = session
    const alone = (): PlannedScreen | undefined => engine.openScreens().find(({ kind }) => kind === 'single')
    await session.play(() => alone() !== undefined)
    const single = alone()!
    const grid = engine.openScreens().find(({ kind }) => kind === 'verify')!
    const reasons = await engine.reasons(grid.id, grid.images[0]!)
    expect(reasons.predicted).toBe(grid.proposed)
    expect(reasons.neighbours).toHaveLength(8)
    const similar = reasons.neighbours.map(({ similarity }) => similarity)
    expect(similar).toEqual([...similar].sort((a, b) => b - a))
    for (const { digest, class: name } of reasons.neighbours) expect(name).toBe(blobs.truth[digest])
    expect((await engine.reasons(single.id, single.images[0]!)).predicted).toBeNull()
    await expect(engine.reasons(grid.id, single.images[0]!)).rejects.toMatchObject({ code: 'SCREEN_INVALID' })
  })
})
