/** What the labelling page does between the keyboard and the server, without a browser. */

import { describe, expect, test, vi } from 'vitest'
import { ApiProblem } from '../../apps/web/src/api/client.ts'
import type { Answer, Screen, SessionState } from '../../apps/web/src/api/types.ts'
import { COMMANDS, keyMapOf, withClassKey, withKey } from '../../apps/web/src/labelling/key-map.ts'
import { intentOf, type Press } from '../../apps/web/src/labelling/keys.ts'
import { between, layOut, step } from '../../apps/web/src/labelling/layout.ts'
import { outboxIn, type Draft, type Outbox, type Strings } from '../../apps/web/src/labelling/outbox.ts'
import {
  answerOf,
  focusOn,
  mark,
  openView,
  remark,
  select,
  targets,
  toggle,
  unmark,
} from '../../apps/web/src/labelling/screen-view.ts'
import { SessionStore, type SessionApi } from '../../apps/web/src/labelling/session-store.ts'

const press = (key: string, over: Partial<Press> = {}): Press => ({
  key,
  code: /^\d$/.test(key) ? `Digit${key}` : `Key${key.toUpperCase()}`,
  shiftKey: false,
  ctrlKey: false,
  metaKey: false,
  altKey: false,
  ...over,
})

const image = (letter: string) => letter.repeat(64)
const screenOf = (id: string, images = ['a', 'b', 'c'], over: Partial<Screen> = {}): Screen => ({
  id,
  kind: 'verify',
  proposed: 'dent',
  images: images.map(image),
  secondGuess: images.map(() => null),
  ...over,
})
const pairOf = (left: number, right: number): Screen => ({
  ...screenOf('1', [...'abcdefghijklmnopqrstuvwxyzABCDEFGHIJ'].slice(0, left + right), {
    kind: 'pair',
    proposed: null,
  }),
  pair: ['shirt', 'coat'],
  proposals: [...Array.from({ length: left }, () => 'shirt'), ...Array.from({ length: right }, () => 'coat')],
})
const NONE = { keys: {}, classKeys: {} }

describe('keys', () => {
  const classes = Array.from({ length: 30 }, (_, index) => `class-${index + 1}`)
  const map = keyMapOf(classes)
  const unique = ({ keys, rows, classKeys }: typeof map) => {
    const taken = [...Object.values(keys), ...rows, ...classKeys].filter(Boolean)
    return new Set(taken).size === taken.length
  }

  test('rows, classes and commands never share a key, whatever a person chose', () => {
    expect(unique(map)).toBe(true)
    const chosen = {
      keys: { misfit: 'a', left: 'h', guess: '1' },
      classKeys: { 'class-30': 'd', 'class-2': '1', 'class-3': 's' },
    }
    const own = keyMapOf(classes, chosen)
    expect(unique(own)).toBe(true)
    expect(own.rows).toHaveLength(6)
    // `s` skips and 1 is the second guess: neither can be a class.
    expect([own.classKeys[29], own.classKeys[1], own.classKeys[2]]).toEqual(['d', '3', '4'])
  })

  test('a class keeps its key when another one gets one, unless it is that very key', () => {
    const own = keyMapOf(classes, withClassKey(NONE, 'class-12', '1'))
    expect(own.classKeys.slice(0, 11).slice(1)).toEqual(map.classKeys.slice(0, 11).slice(1))
    expect(own.classKeys[11]).toBe('1')
    expect(own.classKeys[0]).toBe(map.classKeys[11])
  })

  test('a command takes a key from the command that had it, and gives it back', () => {
    const taken = withKey(NONE, 'skip', 'x')
    expect(taken.keys).toEqual({ skip: 'x', misfit: '' })
    expect(intentOf(press('x'), keyMapOf(classes, taken), false)).toEqual({ do: 'skip' })
    expect(withKey(withKey(taken, 'skip', COMMANDS.skip.key), 'misfit', 'x')).toEqual(NONE)
  })

  test('a digit labels the screen, with Shift the image, after a row letter it is a column', () => {
    expect(intentOf(press('3'), map, false)).toEqual({ do: 'label', class: 'class-3' })
    expect(intentOf(press('#', { code: 'Digit3', shiftKey: true }), map, false)).toEqual({
      do: 'classify',
      class: 'class-3',
    })
    expect(intentOf(press('d'), map, false)).toEqual({ do: 'row', row: 1 })
    expect(intentOf(press('4'), map, true)).toEqual({ do: 'cell', column: 3 })
  })

  test('the eleventh class has a letter, a digit without a class does nothing', () => {
    expect(intentOf(press(map.classKeys[10]!), map, false)).toEqual({ do: 'label', class: 'class-11' })
    expect(intentOf(press('7'), keyMapOf(['one', 'two']), false)).toBeNull()
  })

  test('letters go by their place where the layout has no Latin ones', () => {
    expect(intentOf(press('ч', { code: 'KeyX' }), map, false)).toEqual({ do: 'toggle' })
    expect(intentOf(press('y', { code: 'KeyZ' }), map, false)).not.toEqual({ do: 'zoom' })
  })

  test('what belongs to the browser stays with it', () => {
    expect(intentOf(press('r', { ctrlKey: true }), map, false)).toBeNull()
    expect(intentOf(press('1', { altKey: true }), map, false)).toBeNull()
    expect(intentOf(press('z', { metaKey: true }), map, false)).toEqual({ do: 'undo' })
    expect(intentOf(press('Z', { code: 'KeyZ', ctrlKey: true, shiftKey: true }), map, false)).toEqual({ do: 'redo' })
  })
})

describe('one screen', () => {
  test('marks are taken back one by one, and given again', () => {
    const view = toggle(mark(openView(screenOf('1')), [1], { class: 'pit' }), [0])
    expect(view.marks).toEqual([{ class: null }, { class: 'pit' }, null])
    const before = unmark(view)!
    expect(before.marks).toEqual([null, { class: 'pit' }, null])
    expect(unmark(unmark(before)!)).toBeNull()
    expect(remark(before)!.marks).toEqual(view.marks)
    expect(remark(mark(before, [2], null))).toBeNull()
  })

  test('a mark goes to all that is selected, and lets the selection go', () => {
    const view = select(openView(screenOf('1')), [0, 2])
    expect(targets(view)).toEqual([0, 2])
    const marked = mark(view, targets(view), { class: 'pit' })
    expect(marked.marks).toEqual([{ class: 'pit' }, null, { class: 'pit' }])
    expect(targets(marked)).toEqual([2])
    expect(toggle(select(marked, [0, 2]), [0, 2]).marks).toEqual([null, null, null])
    expect(focusOn(view, 1).selected.size).toBe(0)
  })

  test('an image marked with the class of the screen is no misfit of it', () => {
    const view = mark(mark(openView(screenOf('1')), [0], { class: 'pit' }), [1], { class: null, why: 'broken' })
    expect(answerOf(view, 'pit', 900)).toEqual({
      screen: '1',
      class: 'pit',
      misfits: [{ image: image('b'), class: null, why: 'broken' }],
      activeMs: 900,
    })
  })

  test('on a pair, marked means the other side', () => {
    const view = toggle(toggle(openView(pairOf(2, 1)), [1]), [2])
    expect(view.marks).toEqual([null, { class: 'coat' }, { class: 'shirt' }])
    expect(answerOf(mark(view, [2], { class: 'coat' }), 'shirt', null).misfits).toEqual([
      { image: image('b'), class: 'coat' },
    ])
  })

  test('where one class is asked for, marked means the other answer, also when nothing was proposed', () => {
    const asked = toggle(openView(screenOf('1', ['a', 'b'], { asks: 'crack', proposed: 'no' })), [0])
    expect(answerOf(asked, 'no', null).misfits).toEqual([{ image: image('a'), class: 'yes' }])
    const open = toggle(openView(screenOf('1', ['a', 'b'], { kind: 'cluster', asks: 'crack', proposed: null })), [1])
    expect(answerOf(open, 'yes', null).misfits).toEqual([{ image: image('b'), class: 'no' }])
  })
})

describe('the place of the images', () => {
  const many = (count: number) =>
    screenOf(
      '1',
      Array.from({ length: count }, (_, at) => String(at % 10)),
    )
  test.each([
    // 48 images in 1,300 × 640: ten columns of five rows give 128, twelve are not allowed, nine of six give 106.
    [48, 1_300, 640, { columns: 10, cell: 128 }],
    [24, 1_300, 640, { columns: 8, cell: 162 }],
    // A telephone: no height to fit into, four columns of at least 76.
    [48, 380, 0, { columns: 5, cell: 76 }],
  ])('%i images in %i × %i', (images, width, height, expected) => {
    expect(layOut(many(images), width, height)).toMatchObject(expected)
  })

  test('one image alone is as large as the window lets it', () => {
    const alone = screenOf('1', ['a'], { kind: 'single', proposed: null })
    expect(layOut(alone, 1_300, 560)).toMatchObject({ columns: 1, cell: 560 })
  })

  test('a pair stands in two panes that share ten columns as their images need', () => {
    const layout = layOut(pairOf(24, 6), 1_328, 640)
    // 6 + 2 columns of four rows: 160 pixels by height, 162 by width; 8 + 2 of three rows: 130.
    expect(layout).toMatchObject({ columns: 8, split: 6, rows: 4, cell: 160 })
    expect(layout.places.slice(0, 8)).toEqual([0, 1, 2, 3, 4, 5, 24, 25])
    expect(layout.places.slice(24)).toEqual([18, 19, 20, 21, 22, 23, null, null])
    expect(layout.places.filter((image) => image !== null)).toHaveLength(30)
  })

  test('the arrows go from image to image, over what is empty and on to the next line', () => {
    const layout = { columns: 4, rows: 2, cell: 80, split: 3, places: [0, 1, 2, 4, 3, null, null, 5] }
    expect(step(layout, 2, 1, 0)).toBe(4)
    expect(step(layout, 4, 1, 0)).toBe(3)
    expect(step(layout, 3, 1, 0)).toBe(5)
    expect(step(layout, 5, 1, 0)).toBe(5)
    expect(step(layout, 1, 0, 1)).toBe(1)
    expect(step(layout, 0, -1, 0)).toBe(0)
    expect(between(layout, 4, 1)).toEqual([1, 2, 4])
  })
})

describe('the outbox', () => {
  function storage(): Strings {
    const kept = new Map<string, string>()
    return {
      get length() {
        return kept.size
      },
      key: (at) => [...kept.keys()][at] ?? null,
      getItem: (key) => kept.get(key) ?? null,
      setItem: (key, value) => void kept.set(key, value),
      removeItem: (key) => void kept.delete(key),
    }
  }
  const answer = (screen: string): Answer => ({ screen, class: 'dent', misfits: [], activeMs: 1 })

  test('keeps answers of one person and session, two windows at once, until each is dropped', () => {
    const shared = storage()
    const [one, two, other] = ['s:ann', 's:ann', 's:bob'].map((owner) => outboxIn(shared, owner)) as [
      ReturnType<typeof outboxIn>,
      ReturnType<typeof outboxIn>,
      ReturnType<typeof outboxIn>,
    ]
    one.keep(answer('1'))
    two.keep(answer('2'))
    other.keep(answer('3'))
    one.drop('1')
    expect(one.unsent().map(({ screen }) => screen)).toEqual(['2'])
    expect(other.unsent().map(({ screen }) => screen)).toEqual(['3'])
  })

  test('does without a storage that refuses', () => {
    const broken = {
      ...storage(),
      setItem: () => {
        throw new Error('full')
      },
    }
    const outbox = outboxIn(broken, 's:ann')
    outbox.keep(answer('1'))
    outbox.keepDraft({ screen: '1', misfits: [], comment: '' })
    expect([outbox.unsent(), outbox.draft()]).toEqual([[], null])
  })
})

describe('a sitting', () => {
  const STATE: SessionState = {
    session: 's',
    status: 'open',
    images: 9,
    labelled: 0,
    screens: 0,
    misfits: 0,
    certified: null,
    humanSeconds: 0,
    speedUp: 0,
    screensLeft: null,
    pace: { grid: null, control: null },
    secondsLeft: null,
    people: 0,
    disagreements: 0,
    classes: [],
  }

  function memoryOutbox(): Outbox {
    const unsent = new Map<string, Answer>()
    let draft: Draft | null = null
    return {
      unsent: () => [...unsent.values()],
      keep: (answer) => void unsent.set(answer.screen, answer),
      drop: (screen) => void unsent.delete(screen),
      draft: () => draft,
      keepDraft: (next) => {
        draft = next
      },
    }
  }

  /** A server whose screens and answers a test sees. */
  function server(ids: readonly string[]) {
    const answers: Answer[] = []
    const withdrawn: Answer[] = []
    const api: SessionApi = {
      screens: async (count) =>
        ids
          .filter((id) => !answers.some(({ screen }) => screen === id))
          .slice(0, count)
          .map((id) => screenOf(id)),
      submit: vi.fn(async (answer: Answer) => {
        answers.push(answer)
        return { ...STATE, screens: answers.length }
      }),
      undo: async () => {
        const answer = answers.pop() ?? null
        if (answer) withdrawn.push(answer)
        return { screen: answer && screenOf(answer.screen), answer, state: STATE }
      },
      redo: async () => {
        const again = withdrawn.pop()
        if (again) answers.push(again)
        return { screen: again ? screenOf(again.screen) : null, state: STATE }
      },
      state: async () => ({ ...STATE, status: answers.length === ids.length ? 'finished' : 'open' }),
      preload: vi.fn(),
    }
    const kept = memoryOutbox()
    const store = new SessionStore(api, STATE, kept)
    return { api, kept, answers, store, inHand: () => store.read().view?.screen.id }
  }

  test('the next screen is there before the answer is stored', async () => {
    const { store, answers, inHand } = server(['1', '2', '3'])
    store.open()
    await vi.waitUntil(() => inHand() === '1')
    store.answer('dent')
    expect(inHand()).toBe('2')
    store.answer('dent')
    expect(inHand()).toBe('3')
    expect(store.read().unsent).toBe(2)
    await vi.waitUntil(() => store.read().unsent === 0)
    expect(answers.map(({ screen }) => screen)).toEqual(['1', '2'])
    store.close()
  })

  test('a list that was made before an answer does not bring its screen back', async () => {
    const { store, api, inHand } = server(['1', '2', '3'])
    const late = [screenOf('1'), screenOf('2'), screenOf('3')]
    api.screens = vi.fn(async () => late)
    store.open()
    await vi.waitUntil(() => inHand() === '1')
    store.answer('dent')
    await vi.waitUntil(() => store.read().unsent === 0 && vi.mocked(api.screens).mock.calls.length > 1)
    store.answer('dent')
    expect(inHand()).toBe('3')
    store.close()
  })

  test('undo waits for what is being stored, then opens that screen with its marks', async () => {
    const { store, answers, inHand } = server(['1', '2'])
    store.open()
    await vi.waitUntil(() => inHand() === '1')
    store.change((view) => toggle(view, [2]))
    store.answer('dent')
    await store.undo()
    expect(inHand()).toBe('1')
    expect(store.read().view!.marks).toEqual([null, null, { class: null }])
    expect(answers).toEqual([])
    store.answer('dent')
    expect(inHand()).toBe('2')
    store.close()
  })

  test('redo gives the answer again that undo took back, with its screen gone on', async () => {
    const { store, answers, inHand } = server(['1', '2'])
    store.open()
    await vi.waitUntil(() => inHand() === '1')
    store.answer('pit')
    await store.undo()
    expect(inHand()).toBe('1')
    await store.redo()
    expect(inHand()).toBe('2')
    expect(answers.map(({ class: name }) => name)).toEqual(['pit'])
    store.close()
  })

  test('an answer that never left is taken back without the server', async () => {
    const { store, api, inHand, kept } = server(['1', '2', '3'])
    vi.mocked(api.submit).mockRejectedValue(new ApiProblem('UNREACHABLE', 0, 'away', null))
    const undo = vi.spyOn(api, 'undo')
    store.open()
    await vi.waitUntil(() => inHand() === '1')
    store.answer('dent')
    store.answer('dent')
    expect(kept.unsent().map(({ screen }) => screen)).toEqual(['1', '2'])
    await store.undo()
    expect(inHand()).toBe('2')
    expect(kept.unsent().map(({ screen }) => screen)).toEqual(['1'])
    expect(undo).not.toHaveBeenCalled()
    store.close()
  })

  test('what one sitting could not send, the next one sends first; its screens do not come back', async () => {
    const first = server(['1', '2'])
    vi.mocked(first.api.submit).mockRejectedValue(new ApiProblem('UNREACHABLE', 0, 'away', null))
    first.store.open()
    await vi.waitUntil(() => first.inHand() === '1')
    first.store.answer('dent')
    first.store.close()
    const later = server(['1', '2'])
    later.kept.keep(first.kept.unsent()[0]!)
    later.store.open()
    await vi.waitUntil(() => later.inHand() === '2')
    expect(later.answers.map(({ screen }) => screen)).toEqual(['1'])
    expect(later.kept.unsent()).toEqual([])
    later.store.close()
  })

  test('marks of the screen in hand are there again after a reload', async () => {
    const { store, api, inHand, kept } = server(['1', '2'])
    store.open()
    await vi.waitUntil(() => inHand() === '1')
    store.change((view) => mark(view, [1], { class: 'pit' }))
    store.close()
    const again = new SessionStore(api, STATE, kept)
    again.open()
    await vi.waitUntil(() => again.read().view !== null)
    expect(again.read().view!.marks).toEqual([null, { class: 'pit' }, null])
    again.answer('dent')
    expect(kept.draft()).toBeNull()
    again.close()
  })

  test('an answer that is refused for good is dropped, and said', async () => {
    const { store, api, inHand } = server(['1', '2'])
    vi.mocked(api.submit).mockRejectedValueOnce(new ApiProblem('SCREEN_INVALID', 400, 'no such screen', null))
    store.open()
    await vi.waitUntil(() => inHand() === '1')
    store.answer('dent')
    await vi.waitUntil(() => store.read().trouble !== null)
    expect(store.read()).toMatchObject({ trouble: 'no such screen', unsent: 0 })
    store.close()
  })

  test('time without a sign of life is not work', () => {
    const { store } = server(['1'])
    const start = Date.now()
    store.touch(start)
    store.touch(start + 10_000)
    store.touch(start + 1_000_000)
    // 10 s of work, then a pause of which 30 s count; the first touch came a moment after the opening.
    expect(store.activeMs).toBeGreaterThanOrEqual(40_000)
    expect(store.activeMs).toBeLessThan(41_000)
  })

  test('the end of the session ends the sitting', async () => {
    const { store, inHand } = server(['1'])
    store.open()
    await vi.waitUntil(() => inHand() === '1')
    store.answer('dent')
    await vi.waitUntil(() => store.read().state.status === 'finished')
    expect(inHand()).toBeUndefined()
    store.close()
  })
})
