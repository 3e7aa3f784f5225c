import { describe, expect, it } from 'vitest'
import { createMemoryStore, movePointer, namesUnder, pointerHistory, readPointer } from '#core/storage'

const by = 'ada'

describe('pointers', () => {
  it('are null until set, then hold the last value', async () => {
    const store = createMemoryStore()
    expect(await readPointer(store, 'models/m/aliases/champion')).toBeNull()
    expect(await movePointer(store, 'models/m/aliases/champion', { version: 1 }, { by })).toBe(1)
    expect(await movePointer(store, 'models/m/aliases/champion', { version: 2 }, { by })).toBe(2)
    expect(await readPointer(store, 'models/m/aliases/champion')).toEqual({
      seq: 2,
      value: { version: 2 },
      by,
      at: expect.stringMatching(/^\d{4}-\d\d-\d\dT/) as string,
    })
  })

  it('keep their history in the order of the moves', async () => {
    const store = createMemoryStore()
    for (let i = 1; i <= 12; i++) await movePointer(store, 'p', i, { by })
    const history = await pointerHistory<number>(store, 'p')
    expect(history.map(({ seq, value }) => [seq, value])).toEqual(Array.from({ length: 12 }, (_, i) => [i + 1, i + 1]))
    expect((await store.head('p/0000000012.json'))?.sizeBytes).toBeGreaterThan(0)
  })

  it('move only from the expected entry when one is given', async () => {
    const store = createMemoryStore()
    expect(await movePointer(store, 'p', 'a', { by, expectedSeq: 0 })).toBe(1)
    await expect(movePointer(store, 'p', 'b', { by, expectedSeq: 0 })).rejects.toMatchObject({
      code: 'POINTER_MOVED',
      details: { prefix: 'p', expectedSeq: 0 },
    })
    expect(await movePointer(store, 'p', 'b', { by, expectedSeq: 1 })).toBe(2)
  })

  it('P1: let one of many moves from the same entry win', async () => {
    const store = createMemoryStore()
    const moves = await Promise.allSettled(
      Array.from({ length: 20 }, (_, i) => movePointer(store, 'p', i, { by, expectedSeq: 0 })),
    )
    expect(moves.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  })

  it('lose none of many moves without an expected entry', async () => {
    const store = createMemoryStore()
    const seqs = await Promise.all(Array.from({ length: 20 }, (_, i) => movePointer(store, 'p', i, { by })))
    expect(seqs.sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1))
    const values = (await pointerHistory<number>(store, 'p')).map(({ value }) => value)
    expect(values.sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, i) => i))
  })

  it('do not see other pointers whose names begin alike', async () => {
    const store = createMemoryStore()
    await movePointer(store, 'p/champion-2', 'other', { by })
    expect(await readPointer(store, 'p/champion')).toBeNull()
  })
})

describe('names under a prefix', () => {
  it('are the first segments, each once, ascending', async () => {
    const store = createMemoryStore()
    for (const key of ['models/b/x/1', 'models/b/x/2', 'models/b-2/x', 'models/a', 'models/b0/x', 'other/c'])
      await store.create(key, new Uint8Array())
    expect(await namesUnder(store, 'models')).toEqual(['a', 'b', 'b-2', 'b0'])
    expect(await namesUnder(store, 'none')).toEqual([])
  })
})
