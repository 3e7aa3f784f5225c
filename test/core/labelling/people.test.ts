/** One session and several people: whatever they do at once, and however often its host dies, no answer is lost or doubled. */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readEvents, readRounds, type Answer, type Screen, type SessionState } from '#core/labelling'
import { createMemoryStore, type ObjectStore } from '#core/storage'
import { LabellingEngine } from '../../../core/labelling/engine.ts'
import { LocalHost } from '../../../core/labelling/local-host.ts'
import type { LabellingPolicy } from '../../../core/labelling/rounds.ts'
import { LEASE_MS } from '../../../core/labelling/screen-leases.ts'
import { simulatedAnswer } from '../../../core/labelling/simulate.ts'
import { makeBlobs, type Blobs } from './blobs.ts'

const SESSION = 'run-1.annotate'
const SMALL = { images: 150, classes: 3, spread: 0.06, seed: 4 }

/** A session that a test hosts, kills and hosts again, with a clock of its own. */
class Session {
  readonly store: ObjectStore = createMemoryStore()
  readonly blobs: Blobs
  host!: LocalHost
  private skippedMs = 0

  constructor(
    private readonly policy: Partial<LabellingPolicy> = {},
    blobs: Blobs = makeBlobs(SMALL),
  ) {
    this.blobs = blobs
  }

  static async open(policy?: Partial<LabellingPolicy>, blobs?: Blobs): Promise<Session> {
    const session = new Session(policy, blobs)
    await session.begin()
    return session
  }

  /** Also after a death: what the host before this one knew is gone, and what it stored is there. */
  async begin(): Promise<void> {
    const policy = { targetAccuracy: 0.95, seed: 7, controls: 0, ...this.policy }
    const digests = new Set(this.blobs.problem.digests)
    this.host = await LocalHost.start(await LabellingEngine.open(this.blobs.problem, policy), {
      store: this.store,
      session: SESSION,
      signal: new AbortController().signal,
      hasImage: (digest) => digests.has(digest),
      onChange: () => undefined,
      now: () => Date.now() + this.skippedMs,
      patienceMs: 400,
    })
  }

  /** Lets time go by. */
  skip(ms: number): void {
    this.skippedMs += ms
  }

  truthful(screen: Screen, annotator: string): Omit<Answer, 'at'> {
    return { ...simulatedAnswer(screen, this.blobs.truth, annotator), activeMs: 9_600 }
  }

  async answer(annotator: string, count = 1): Promise<readonly Screen[]> {
    const screens = await this.host.next(annotator, count)
    for (const screen of screens) await this.host.submit(this.truthful(screen, annotator))
    return screens
  }

  /** Everybody answers until there is nothing left to do. */
  async finish(annotators: readonly string[]): Promise<void> {
    for (;;) {
      let done = 0
      for (const annotator of annotators) done += (await this.answer(annotator, 4)).length
      const { status } = await this.host.state()
      if (status !== 'open') return
      if (done === 0) this.skip(LEASE_MS)
    }
  }

  async labels(): Promise<ReadonlyMap<string, string | null>> {
    const labels = new Map<string, string | null>()
    for await (const { digest, label } of this.host.labels()) labels.set(digest, label)
    return labels
  }

  async answers(): Promise<readonly { screen: string; annotator: string }[]> {
    return (await readEvents(this.store, SESSION)).flatMap((event) => (event.type === 'answer' ? [event] : []))
  }
}

const names = ['anna', 'bert', 'cleo'] as const
const who = fc.constantFrom(...names)
const deed = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ does: fc.constant('answers' as const), who, screens: fc.integer({ min: 1, max: 3 }) }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ does: fc.constant('looks' as const), who, screens: fc.integer({ min: 1, max: 4 }) }),
  },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('answers late' as const), who, pick: fc.nat(50) }) },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('answers twice' as const), who }) },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('undoes' as const), who }) },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('redoes' as const), who }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('goes to lunch' as const) }) },
  { weight: 1, arbitrary: fc.record({ does: fc.constant('the host dies' as const) }) },
)

describe('several people at one session', () => {
  it('lose and double nothing, whatever they do in whatever order, and however often the host dies', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(deed, { minLength: 5, maxLength: 40 }),
        fc.constantFrom(1, 2),
        async (deeds, overlap) => {
          const session = await Session.open({ overlap })
          const seen: Screen[] = []
          /** What each person was told to be stored and has not taken back, by `screen annotator`. */
          const acknowledged = new Set<string>()
          const submit = async (screen: Screen, annotator: string): Promise<void> => {
            await session.host.submit(session.truthful(screen, annotator))
            acknowledged.add(`${screen.id} ${annotator}`)
          }
          for (const one of deeds) {
            if ((await session.host.state()).status !== 'open') break
            if (one.does === 'answers') {
              for (const screen of await session.host.next(one.who, one.screens)) {
                seen.push(screen)
                await submit(screen, one.who)
              }
            } else if (one.does === 'looks') seen.push(...(await session.host.next(one.who, one.screens)))
            else if (one.does === 'answers late') {
              const screen = seen[one.pick % Math.max(1, seen.length)]
              if (screen) await submit(screen, one.who)
            } else if (one.does === 'answers twice') {
              const [screen] = await session.host.next(one.who, 1)
              if (screen) await Promise.all([submit(screen, one.who), submit(screen, one.who)])
            } else if (one.does === 'undoes') {
              const undone = await session.host.undo(one.who)
              if (undone) expect(acknowledged.delete(`${undone.screen.id} ${one.who}`)).toBe(true)
            } else if (one.does === 'redoes') {
              const again = await session.host.redo(one.who)
              if (again) acknowledged.add(`${again.id} ${one.who}`)
            } else if (one.does === 'goes to lunch') session.skip(LEASE_MS + 1)
            else await session.begin()
          }
          const events = await readEvents(session.store, SESSION)
          const standing = new Map<string, string>()
          for (const event of events)
            if ('screen' in event) standing.set(`${event.screen} ${event.annotator}`, event.type)
          const stored = [...standing].filter(([, type]) => type === 'answer').map(([pair]) => pair)
          expect(stored.sort()).toEqual([...acknowledged].sort())
          expect(events.map(({ at }) => at)).toEqual([...new Set(events.map(({ at }) => at))].sort())

          // Whoever hosts it next sees the same session.
          const [state, labels] = [await settled(session.host), await session.labels()]
          await session.begin()
          expect(await settled(session.host)).toEqual(state)
          expect(await session.labels()).toEqual(labels)

          await session.finish(['anna', 'bert'])
          const outcome = await session.labels()
          for (const [digest, label] of outcome) if (label !== null) expect(label).toBe(session.blobs.truth[digest])
          expect([...outcome.values()].filter((label) => label === null)).toEqual([])
        },
      ),
      { numRuns: 12, seed: 11 },
    )
  }, 240_000)

  it('never see the same screen at once', async () => {
    const session = await Session.open()
    const screens = await Promise.all(names.map((name) => session.host.next(name, 3)))
    const ids = screens.flat().map(({ id }) => id)
    expect(new Set(ids).size).toBe(ids.length)
  })

  it('keep their screens through the death of the host', async () => {
    const session = await Session.open()
    const anna = await session.host.next('anna', 2)
    const bert = await session.host.next('bert', 2)
    await session.host.submit(session.truthful(anna[0]!, 'anna'))
    await session.begin()
    expect((await session.host.next('bert', 2)).map(({ id }) => id)).toEqual(bert.map(({ id }) => id))
    expect((await session.host.next('anna', 1)).map(({ id }) => id)).toEqual([anna[1]!.id])
  })

  it('get the screens of somebody who went away, whose late answer changes nothing', async () => {
    const session = await Session.open()
    const [left] = await session.host.next('anna', 1)
    session.skip(LEASE_MS + 1)
    expect((await session.host.next('bert', 1))[0]).toEqual(left)
    const { labelled } = await session.host.submit(session.truthful(left!, 'bert'))
    const late = await session.host.submit({ ...session.truthful(left!, 'anna'), class: 'class-0', misfits: [] })
    expect(late).toMatchObject({ labelled, people: 2 })
    expect(late.disagreements).toBeGreaterThan(0)
  })

  it('keep a screen as long as they do something', async () => {
    const session = await Session.open()
    const [first, second] = await session.host.next('anna', 2)
    session.skip(0.8 * LEASE_MS)
    await session.host.submit(session.truthful(first!, 'anna'))
    session.skip(0.8 * LEASE_MS)
    expect((await session.host.next('bert', 1))[0]!.id).not.toBe(second!.id)
  })

  it('of whom there are too many get nothing, and are told so', async () => {
    const session = await Session.open()
    for (;;) if ((await session.host.next('anna', 8)).length === (await session.host.next('anna', 48)).length) break
    expect(await session.host.next('bert', 1)).toEqual([])
    expect((await session.host.state()).status).toBe('open')
  })

  it('do not look again at what they disputed themselves while somebody else is there', async () => {
    const session = await Session.open()
    const purposeOf = async (id: string) =>
      (await readRounds(session.store, SESSION)).find(({ screens }) => screens.some((screen) => screen.id === id))!
        .purpose
    // Anna disputes one label of every audit screen.
    for (;;) {
      const [screen] = await session.host.next('anna', 1)
      if ((await purposeOf(screen!.id)) === 'adjudicate') break
      const answer = session.truthful(screen!, 'anna')
      const other = session.blobs.problem.classes.find((name) => name !== screen!.proposed)!
      const fits = screen!.images.find((image) => !answer.misfits.some((misfit) => misfit.image === image))!
      const disputes = (await purposeOf(screen!.id)) === 'audit' ? [{ image: fits, class: other }] : []
      await session.host.submit({ ...answer, misfits: [...answer.misfits, ...disputes] })
    }
    session.skip(LEASE_MS + 1)
    const [bert] = await session.host.next('bert', 1)
    expect(await purposeOf(bert!.id)).toBe('adjudicate')
    expect(await session.host.next('anna', 1)).toEqual([])
    session.skip(LEASE_MS + 1)
    expect((await session.host.next('anna', 1))[0]).toEqual(bert)
  })
})

describe('two processes that both host a session', () => {
  it('cannot both write: the one that was overtaken says so, and nothing is lost', async () => {
    const session = await Session.open()
    const former = session.host
    const [screen, other] = await former.next('anna', 2)
    await session.begin()
    await session.host.submit(session.truthful(screen!, 'anna'))
    await expect(former.submit(session.truthful(other!, 'anna'))).rejects.toMatchObject({
      code: 'SESSION_HOST_UNAVAILABLE',
    })
    await expect(former.ended).rejects.toMatchObject({ code: 'SESSION_HOST_UNAVAILABLE' })
    await session.host.submit(session.truthful(other!, 'anna'))
    expect((await session.answers()).map((answer) => answer.screen)).toEqual([screen!.id, other!.id])
  })

  it('an answer whose storing failed half-way counts once', async () => {
    const session = new Session()
    let trouble: 'none' | 'before' | 'after' = 'none'
    const create = session.store.create.bind(session.store)
    session.store.create = async (key, bytes) => {
      const broken = key.includes('/log/') && trouble
      if (broken === 'before') throw new Error('disk full')
      const created = await create(key, bytes)
      if (broken === 'after') throw new Error('connection lost')
      return created
    }
    await session.begin()
    const [one, two] = await session.host.next('anna', 2)
    trouble = 'before'
    await expect(session.host.submit(session.truthful(one!, 'anna'))).rejects.toThrow('disk full')
    trouble = 'after'
    await expect(session.host.submit(session.truthful(one!, 'anna'))).rejects.toThrow('connection lost')
    trouble = 'none'
    await session.host.submit(session.truthful(one!, 'anna'))
    await session.host.submit(session.truthful(two!, 'anna'))
    expect((await session.answers()).map((answer) => answer.screen)).toEqual([one!.id, two!.id])
  })
})

describe('a session that an earlier release began', () => {
  it('goes on after its answers, which lie beside the log', async () => {
    const former = await Session.open()
    const [one, two] = await former.answer('anna', 2)
    const [first, second] = await readEvents(former.store, SESSION)
    const session = new Session()
    for (const [key, value] of [
      [`${one!.id}-anna`, first],
      [`${two!.id}-anna`, second],
    ] as const)
      await session.store.create(`annotations/${SESSION}/${key}.json`, Buffer.from(JSON.stringify(value)))
    for (const round of await readRounds(former.store, SESSION))
      await session.store.create(
        `annotations/${SESSION}/rounds/${String(round.number).padStart(6, '0')}.json`,
        Buffer.from(JSON.stringify(round)),
      )
    await session.begin()
    const [three] = await session.answer('anna')
    expect((await session.answers()).map((answer) => answer.screen)).toEqual([one!.id, two!.id, three!.id])
    await session.begin()
    expect((await session.host.state()).people).toBe(1)
    expect((await session.host.undo('anna'))!.screen).toEqual(three)
  })
})

describe('taking back and giving again', () => {
  it('goes back and forth across screens, newest first, and ends where somebody goes on', async () => {
    const session = await Session.open()
    const [one, two, three] = await session.host.next('anna', 3)
    await session.host.submit(session.truthful(one!, 'anna'))
    await session.host.submit(session.truthful(two!, 'anna'))
    expect(await session.host.redo('anna')).toBeNull()
    const undone = await session.host.undo('anna')
    expect(undone!.screen).toEqual(two)
    expect(undone!.answer).toMatchObject(session.truthful(two!, 'anna'))
    await session.host.undo('anna')
    await session.begin()
    expect(await session.host.redo('anna')).toEqual(one)
    expect(await session.host.redo('anna')).toEqual(two)
    expect(await session.host.redo('anna')).toBeNull()
    expect(await session.host.next('anna', 1)).toEqual([three])
    await session.host.undo('anna')
    await session.host.submit(session.truthful(three!, 'anna'))
    expect(await session.host.redo('anna')).toBeNull()
  })

  it('gives nothing again that somebody else has answered since', async () => {
    const session = await Session.open()
    const [screen] = await session.host.next('anna', 1)
    await session.host.submit(session.truthful(screen!, 'anna'))
    await session.host.undo('anna')
    session.skip(LEASE_MS + 1)
    await session.host.submit(session.truthful((await session.host.next('bert', 1))[0]!, 'bert'))
    expect(await session.host.redo('anna')).toBeNull()
  })
})

describe('a session that asks two people of each image', () => {
  it('shows every screen to two people, each once, and settles what they differ on', async () => {
    const session = await Session.open({ overlap: 2 })
    const anna = await session.answer('anna', 3)
    expect((await session.host.next('anna', 8)).map(({ id }) => id)).not.toContain(anna[0]!.id)
    const bert = await session.host.next('bert', 1)
    expect(bert[0]).toEqual(anna[0])
    const image = bert[0]!.images[0]!
    const truth = session.blobs.truth[image]!
    const other = session.blobs.problem.classes.find((name) => name !== truth)!
    const mistaken = session.truthful(bert[0]!, 'bert')
    const marked = mistaken.misfits.filter((misfit) => misfit.image !== image)
    const state = await session.host.submit({ ...mistaken, misfits: [...marked, { image, class: other }] })
    expect(state).toMatchObject({ people: 2, disagreements: 1 })
    const [dispute] = await session.host.disagreements(null, 10)
    expect(dispute).toMatchObject({ image, votes: [{ annotator: 'anna' }, { annotator: 'bert', class: other }] })
    expect(await session.host.disagreements(image, 10)).toEqual([])
    expect((await session.host.next('cleo', 1))[0]!.id).not.toBe(anna[0]!.id)
  })

  it('lets whoever is ahead go on, and audits when everybody is done', async () => {
    const session = await Session.open({ overlap: 2 }, makeBlobs({ images: 300, classes: 3, spread: 0.25, seed: 4 }))
    for (;;) if ((await session.answer('anna', 8)).length === 0) break
    const rounds = await readRounds(session.store, SESSION)
    expect(rounds.length).toBeGreaterThan(1)
    expect(rounds.map(({ purpose }) => purpose)).not.toContain('audit')
    await session.finish(['anna', 'bert'])
    const audited = (await readRounds(session.store, SESSION)).filter(({ purpose }) => purpose === 'audit')
    expect(audited.length).toBeGreaterThan(0)
  }, 60_000)
})

/** The state once the host has taken in and planned all that there is. */
async function settled(host: LocalHost): Promise<SessionState> {
  // Taking back waits for the plan under way, also where there is nothing to take back.
  await host.undo('nobody').catch((error: unknown) => expect(error).toMatchObject({ code: 'SESSION_CLOSED' }))
  return host.state()
}
