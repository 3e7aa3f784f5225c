/** Classes and images that change while people label: what each of them expects to happen, happens. */

import { describe, expect, it } from 'vitest'
import { readEvents, readRounds, type Answer, type Screen } from '#core/labelling'
import { createMemoryStore } from '#core/storage'
import { LabellingEngine } from '../../../core/labelling/engine.ts'
import { LocalHost } from '../../../core/labelling/local-host.ts'
import { simulatedAnswer } from '../../../core/labelling/simulate.ts'
import { makeBlobs, type BlobOptions } from './blobs.ts'

const SESSION = 'run-1.annotate'
const EASY: BlobOptions = { images: 150, classes: 3, spread: 0.06, seed: 4 }

async function open(options: BlobOptions = EASY, targetAccuracy = 0.95) {
  const store = createMemoryStore()
  const { problem, truth } = makeBlobs(options)
  const digests = new Set(problem.digests)
  const begin = async (): Promise<LocalHost> =>
    LocalHost.start(await LabellingEngine.open(problem, { targetAccuracy, seed: 7, controls: 0 }), {
      store,
      session: SESSION,
      signal: new AbortController().signal,
      hasImage: (digest) => digests.has(digest),
      onChange: () => undefined,
      patienceMs: 2_000,
    })
  return { store, problem, truth, begin, host: await begin() }
}

const anna = (screen: Screen, truth: Readonly<Record<string, string>>): Omit<Answer, 'at'> =>
  simulatedAnswer(screen, truth, 'anna')

async function finish(host: LocalHost, truth: Readonly<Record<string, string>>): Promise<void> {
  while ((await host.state()).status === 'open')
    for (const screen of await host.next('anna', 4)) await host.submit(anna(screen, truth))
}

async function labelsOf(host: LocalHost): Promise<Record<string, string | null>> {
  const labels: Record<string, string | null> = {}
  for await (const { digest, label } of host.labels()) labels[digest] = label
  return labels
}

/** Answers until a screen of this kind is next. */
async function until(host: LocalHost, truth: Readonly<Record<string, string>>, kind: Screen['kind']): Promise<Screen> {
  for (;;) {
    const [screen] = await host.next('anna', 1)
    if (screen!.kind === kind) return screen!
    await host.submit(anna(screen!, truth))
  }
}

describe('a class', () => {
  it('merged while it is on a screen goes on under its new name, and an answer by the old one counts', async () => {
    const { host, truth, store } = await open()
    const screen = await until(host, truth, 'verify')
    const merged = screen.proposed!
    const into = host.currentState().classes.find((name) => name !== merged)!
    const state = await host.changeClasses({ remove: merged, into }, 'olga')
    expect(state.classes).not.toContain(merged)
    await host.submit(anna(screen, truth))
    const stored = (await readEvents(store, SESSION)).at(-1)
    expect(stored).toMatchObject({ type: 'answer', class: into })
    const now = Object.fromEntries(Object.entries(truth).map(([image, name]) => [image, name === merged ? into : name]))
    await finish(host, now)
    expect(await labelsOf(host)).toEqual(now)
  })

  it('removed sends its images back to people, who give them another one', async () => {
    const { host, truth, begin } = await open()
    await until(host, truth, 'verify')
    const now = Object.fromEntries(
      Object.entries(truth).map(([image, name]) => [image, name === 'class-2' ? 'class-0' : name]),
    )
    await host.changeClasses({ remove: 'class-2', into: null }, 'olga')
    const screens = await host.next('anna', 48)
    expect(screens.map(({ proposed }) => proposed)).not.toContain('class-2')
    await finish(host, now)
    const labels = await labelsOf(host)
    expect(Object.values(labels)).not.toContain('class-2')
    expect(labels).toEqual(now)
    expect(await labelsOf(await begin())).toEqual(now)
  })

  it('removed while somebody still chooses it: their other marks count, and the rest comes back', async () => {
    const { host } = await open()
    const [screen] = await host.next('anna', 1)
    await host.changeClasses({ remove: 'class-2', into: null }, 'olga')
    const [first, second] = screen!.images
    await host.submit({
      ...{ screen: screen!.id, annotator: 'anna', class: 'class-2', activeMs: null },
      misfits: [{ image: first!, class: 'class-1' }],
    })
    const labels = await labelsOf(host)
    expect([labels[first!], labels[second!]]).toEqual(['class-1', null])
  })

  it('added is there at once, and takes the images that were said to be of a new class of this name', async () => {
    const { host, truth } = await open()
    const [one, two] = await host.next('anna', 2)
    const [named, unnamed] = [one!.images[0]!, two!.images[0]!]
    const fits = (screen: Screen): Omit<Answer, 'at'> => anna(screen, truth)
    const marked = (screen: Screen, image: string, note?: string): Omit<Answer, 'at'> => ({
      ...fits(screen),
      misfits: [
        ...fits(screen).misfits.filter((misfit) => misfit.image !== image),
        { image, class: null, why: 'new', ...(note && { note }) },
      ],
    })
    await host.submit(marked(one!, named, 'rust'))
    await host.submit(marked(two!, unnamed))
    const before = await excludedOf(host, [named, unnamed])
    expect(before).toEqual(['new class', 'new class'])
    expect((await host.changeClasses({ add: 'rust' }, 'olga')).classes).toContain('rust')
    const labels = await labelsOf(host)
    expect(labels[named]).toBe('rust')
    expect(await excludedOf(host, [named, unnamed])).toEqual([null, null])
  })

  it.each([
    ['is refused where the name was removed', { add: 'class-2' }, /was removed from this session/],
    ['is not merged into itself', { remove: 'class-1', into: 'class-1' }, /cannot go to "class-1"/],
    ['is not merged into one that is gone', { remove: 'class-1', into: 'class-2' }, /cannot go to "class-2"/],
    ['that nobody has is not removed', { remove: 'class-9', into: null }, /there is no class "class-9"/],
    ['of the last two stays', { remove: 'class-1', into: null }, /are all classes; add one/],
  ])('%s', async (_, change, message) => {
    const { host, store } = await open()
    await host.changeClasses({ remove: 'class-2', into: null }, 'olga')
    await expect(host.changeClasses(change, 'olga')).rejects.toThrow(message)
    expect(await readEvents(store, SESSION)).toHaveLength(1)
  })

  it('added twice, or removed twice, is the same as once', async () => {
    const { host, store } = await open()
    for (let i = 0; i < 2; i++) await host.changeClasses({ add: 'rust' }, 'olga')
    for (let i = 0; i < 2; i++) await host.changeClasses({ remove: 'rust', into: null }, 'olga')
    expect(await readEvents(store, SESSION)).toHaveLength(2)
  })

  it('removed during an audit makes it void; the session goes on and is certified without it', async () => {
    const { host, truth, store } = await open({ ...EASY, classes: 4 }, 0.9)
    const audits = async () => (await readRounds(store, SESSION)).filter(({ purpose }) => purpose === 'audit')
    while ((await audits()).length === 0)
      for (const screen of await host.next('anna', 1)) await host.submit(anna(screen, truth))
    const now = Object.fromEntries(
      Object.entries(truth).map(([image, name]) => [image, name === 'class-3' ? 'class-0' : name]),
    )
    await host.changeClasses({ remove: 'class-3', into: 'class-0' }, 'olga')
    await finish(host, now)
    expect((await audits()).map(({ audit }) => audit!.look)).toEqual([1, 2])
    expect(await host.state()).toMatchObject({ status: 'certified' })
    expect(await labelsOf(host)).toEqual(now)
  })
})

describe('an image deleted while it is labelled', () => {
  it('leaves its screen and the labels, and an answer that names it is taken all the same', async () => {
    const { host, truth, begin } = await open()
    const [screen, other] = await host.next('anna', 2)
    const gone = screen!.images[0]!
    await host.removeImages([gone, 'f'.repeat(64)])
    await host.removeImages([gone])
    expect((await host.next('anna', 1))[0]!.images).not.toContain(gone)
    const answer = anna(screen!, truth)
    const others = answer.misfits.filter(({ image }) => image !== gone)
    await host.submit({ ...answer, misfits: [...others, { image: gone, class: 'class-1' }] })
    await host.submit(anna(other!, truth))
    await finish(host, truth)
    const labels = await labelsOf(host)
    expect(labels[gone]).toBeNull()
    expect(await excludedOf(host, [gone])).toEqual(['deleted'])
    expect({ ...labels, [gone]: truth[gone] }).toEqual(truth)
    expect(await labelsOf(await begin())).toEqual(labels)
  })
})

describe('what people ask for', () => {
  it('is refused where images are not of the session, or the class is none', async () => {
    const { host, problem } = await open()
    await expect(host.request(['f'.repeat(64)], null, 'olga')).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    await expect(host.request([problem.digests[0]!], 'class-9', 'olga')).rejects.toThrow(/there is no class "class-9"/)
    await expect(host.review('nobody', 10, 'olga')).rejects.toThrow(/"nobody" has answered nothing here/)
  })

  it('is stored once an image, and a review draws from what one person labelled', async () => {
    const { host, problem, truth, store } = await open()
    const [first] = problem.digests
    await host.request([first!, first!], 'class-1', 'olga')
    const [screen] = await host.next('anna', 1)
    await host.submit(anna(screen!, truth))
    await host.review('anna', 5, 'olga')
    const events = await readEvents(store, SESSION)
    expect(events[0]).toMatchObject({ type: 'requested', images: [first], proposed: 'class-1', by: 'olga' })
    const review = events.at(-1) as { images: readonly string[] }
    expect(review).toMatchObject({ type: 'requested', review: true })
    expect(review.images).toHaveLength(5)
    expect(screen!.images).toEqual(expect.arrayContaining([...review.images]))
  })
})

describe('sessions of any size', () => {
  it('30 images are all labelled', async () => {
    const { host, truth } = await open({ images: 30, classes: 2, spread: 0.05, seed: 3 })
    await finish(host, truth)
    expect(await labelsOf(host)).toEqual(truth)
  })

  it('of 1,000 classes, most of which nobody has met, name those that there are', async () => {
    const { problem, truth } = makeBlobs(EASY)
    const classes = Array.from({ length: 1_000 }, (_, c) => `class-${c}`)
    const store = createMemoryStore()
    const engine = await LabellingEngine.open({ ...problem, classes }, { targetAccuracy: 0.95, seed: 7, controls: 0 })
    const signal = new AbortController().signal
    const host = await LocalHost.start(engine, { store, session: SESSION, signal, onChange: () => undefined })
    await expect(host.changeClasses({ add: 'one more' }, 'olga')).rejects.toThrow(/at most 1000 classes/)
    await finish(host, truth)
    expect(await labelsOf(host)).toEqual(truth)
  }, 60_000)
})

async function excludedOf(host: LocalHost, images: readonly string[]): Promise<(string | null)[]> {
  const excluded = new Map<string, string | null>()
  for await (const label of host.labels()) excluded.set(label.digest, label.excluded)
  return images.map((image) => excluded.get(image)!)
}
