/** What the labelling page does between the keyboard and the server, without a browser. */

import { describe, expect, test, vi } from 'vitest'
import { ApiProblem } from '../../apps/web/src/api/client.ts'
import type { Answer, Screen, SessionState } from '../../apps/web/src/api/types.ts'
import { fit } from '../../apps/web/src/labelling/fit.ts'
import { CLASS_KEYS, intentOf, ROW_KEYS, type Press } from '../../apps/web/src/labelling/keys.ts'
import { answerOf, mark, openView, toggle, unmark } from '../../apps/web/src/labelling/screen-view.ts'
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
const screenOf = (id: string, images = ['a', 'b', 'c']): Screen => ({
  id,
  kind: 'verify',
  proposed: 'dent',
  images: images.map(image),
  secondGuess: images.map(() => null),
})

describe('keys', () => {
  const classes = Array.from({ length: 30 }, (_, index) => `class-${index + 1}`)

  test('rows, classes and commands never share a key', () => {
    const commands = ['x', 'g', 'u', 'b', 's', 'n', 'z', '/', '?']
    const all = [...ROW_KEYS, ...CLASS_KEYS, ...commands]
    expect(new Set(all).size).toBe(all.length)
  })

  test('a digit labels the screen, with Shift the image, after a row letter it is a column', () => {
    expect(intentOf(press('3'), classes, false)).toEqual({ do: 'label', class: 'class-3' })
    expect(intentOf(press('#', { code: 'Digit3', shiftKey: true }), classes, false)).toEqual({
      do: 'classify',
      class: 'class-3',
    })
    expect(intentOf(press('d'), classes, false)).toEqual({ do: 'row', row: 2 })
    expect(intentOf(press('4'), classes, true)).toEqual({ do: 'cell', column: 3 })
  })

  test('the eleventh class has a letter, a digit without a class does nothing', () => {
    expect(intentOf(press('i'), classes, false)).toEqual({ do: 'label', class: 'class-11' })
    expect(intentOf(press('7'), ['one', 'two'], false)).toBeNull()
  })

  test('what belongs to the browser stays with it', () => {
    expect(intentOf(press('r', { ctrlKey: true }), classes, false)).toBeNull()
    expect(intentOf(press('1', { altKey: true }), classes, false)).toBeNull()
    expect(intentOf(press('z', { metaKey: true }), classes, false)).toEqual({ do: 'undo' })
  })
})

describe('one screen', () => {
  test('marks are taken back one by one', () => {
    const view = toggle(mark(openView(screenOf('1')), 1, { class: 'pit' }), 0)
    expect(view.marks).toEqual([{ class: null }, { class: 'pit' }, null])
    const before = unmark(view)!
    expect(before.marks).toEqual([null, { class: 'pit' }, null])
    expect(unmark(unmark(before)!)).toBeNull()
  })

  test('an image marked with the class of the screen is no misfit of it', () => {
    const view = mark(mark(openView(screenOf('1')), 0, { class: 'pit' }), 1, { class: null, why: 'broken' })
    expect(answerOf(view, 'pit', 900)).toEqual({
      screen: '1',
      class: 'pit',
      misfits: [{ image: image('b'), class: null, why: 'broken' }],
      activeMs: 900,
    })
  })
})

describe('the place of the images', () => {
  test.each([
    // 48 images in 1,300 × 640: ten columns of five rows give 128, twelve are not allowed, nine of six give 106.
    [48, 1_300, 640, { columns: 10, cell: 128 }],
    [24, 1_300, 640, { columns: 8, cell: 162 }],
    [1, 1_300, 640, { columns: 1, cell: 200 }],
    // A telephone: no height to fit into, four columns of at least 76.
    [48, 380, 0, { columns: 5, cell: 76 }],
  ])('%i images in %i × %i', (images, width, height, expected) => {
    expect(fit(images, width, height)).toEqual(expected)
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

  /** A server whose screens and answers a test sees. */
  function server(ids: readonly string[]) {
    const answers: Answer[] = []
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
        const withdrawn = answers.pop()
        return { screen: withdrawn ? screenOf(withdrawn.screen) : null, state: STATE }
      },
      state: async () => ({ ...STATE, status: answers.length === ids.length ? 'finished' : 'open' }),
      preload: vi.fn(),
    }
    const store = new SessionStore(api, STATE)
    return { api, answers, store, inHand: () => store.read().view?.screen.id }
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
    store.change((view) => toggle(view, 2))
    store.answer('dent')
    await store.undo()
    expect(inHand()).toBe('1')
    expect(store.read().view!.marks).toEqual([null, null, { class: null }])
    expect(answers).toEqual([])
    store.answer('dent')
    expect(inHand()).toBe('2')
    store.close()
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
