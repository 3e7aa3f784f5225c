import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { closeMap, openMap, runChunk, type Item, type MapRequest, type RunItems } from '#core/maps'
import { mayLose, type Json } from '#core/plan'
import type { Table } from '#core/steps'
import { blobKey, createMemoryStore, putBlob, readBlob, type ObjectStore } from '#core/storage'

const signal = new AbortController().signal
let store: ObjectStore
let scratchDir: string
let seen: Json[]

beforeEach(() => {
  store = createMemoryStore()
  scratchDir = mkdtempSync(path.join(os.tmpdir(), 'gyre-maps-'))
  seen = []
})
afterEach(() => rmSync(scratchDir, { recursive: true, force: true }))

/** `{ n, times }` → n × times; items with n = 13 fail. */
const multiply: RunItems = async (items: readonly Item[]) => {
  const results = items.map(({ input }) => {
    const { n, times } = input as { n: number; times: number }
    seen.push(n)
    return n === 13 ? { error: 'thirteen is out of the question' } : { output: n * times }
  })
  return { ms: 1, results }
}

function request(over: Json, change: Partial<MapRequest> = {}): MapRequest {
  return {
    ...{ run: 'r', node: 'm', generation: 1, cache: true },
    of: { step: 'multiply', codeVersion: 'v1' },
    input: { over, input: { n: { $ref: '$item', path: ['n'] }, times: 10 } },
    ...change,
  }
}

const items = (...numbers: number[]): Json => numbers.map((n) => ({ n }))
const range = (count: number): number[] => Array.from({ length: count }, (_, n) => n)

async function map(of: MapRequest, { atLeast = 1, chunk = 7 } = {}): Promise<Table<Json>> {
  const { todo } = await openMap(store, of, signal)
  for (let from = 0; from < todo; from += chunk)
    await runChunk(store, of, { from, to: Math.min(todo, from + chunk) }, multiply)
  return closeMap(store, of, { atLeast, scratchDir })
}

async function rowsOf({ blob }: Table<Json>): Promise<Json[]> {
  const text = Buffer.from(await readBlob(store, blob)).toString()
  return text === ''
    ? []
    : text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as Json)
}

describe('a map', () => {
  it('gives one row per item, in item order', async () => {
    const table = await map(request(items(3, 1, 2)), { chunk: 2 })
    expect(table).toMatchObject({ kind: 'table', rows: 3, failed: 0, failures: null })
    expect(await rowsOf(table)).toEqual([30, 10, 20])
  })

  it('gives an empty table for no items', async () => {
    expect(await rowsOf(await map(request([])))).toEqual([])
  })

  it('reads a table as it reads a list', async () => {
    const numbers = range(2_500)
    const text = numbers.map((n) => `{"n":${n + 100}}\n`).join('')
    const over = { kind: 'table', rows: numbers.length, blob: await putBlob(store, Buffer.from(text)) }
    const table = await map(request(over as unknown as Json), { chunk: 999 })
    expect(await rowsOf(table)).toEqual(numbers.map((n) => (n + 100) * 10))
  })

  it('refuses to go over anything else', async () => {
    await expect(openMap(store, request(7), signal)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  })

  it('computes each item of equal code once, whatever the order and the run', async () => {
    await map(request(items(1, 2, 3, 4)))
    seen = []
    const table = await map(request(items(9, 4, 2, 1), { run: 'later' }))
    expect(seen).toEqual([9])
    expect(await rowsOf(table)).toEqual([90, 40, 20, 10])
  })

  it.each([
    ['other code', { of: { step: 'multiply', codeVersion: 'v2' } }],
    ['another salt', { of: { step: 'multiply', codeVersion: 'v1', salt: 's' } }],
    ['no cache', { cache: false }],
  ])('computes all items again with %s', async (_what, change) => {
    await map(request(items(1, 2)))
    seen = []
    await map(request(items(1, 2), { run: 'later', ...change }))
    expect(seen).toEqual([1, 2])
  })

  it('takes results over from another value of an ignored input', async () => {
    const of = { step: 'multiply', codeVersion: 'v1', ignore: ['times'] }
    await map(request(items(1, 2), { of }))
    seen = []
    const input = { n: { $ref: '$item', path: ['n'] }, times: 99 }
    await map(request([], { of, run: 'later', input: { over: items(1, 2, 3), input } }))
    expect(seen).toEqual([3])
  })

  it('computes an item again whose artifact is gone', async () => {
    const blob = await putBlob(store, Buffer.from('bytes'))
    const give: RunItems = async (all) => ({ ms: 1, results: all.map(() => ({ output: { blob } as unknown as Json })) })
    const first = request(items(1))
    await openMap(store, first, signal)
    await runChunk(store, first, { from: 0, to: 1 }, give)
    expect(await openMap(store, { ...first, run: 'second' }, signal)).toMatchObject({ hits: 1, todo: 0 })
    await store.delete(blobKey(blob.sha256))
    expect(await openMap(store, { ...first, run: 'third' }, signal)).toMatchObject({ hits: 0, todo: 1 })
  })

  it('leaves out the rows of items that failed, and names them', async () => {
    const table = await map(request(items(12, 13, 14)), { atLeast: 0.6 })
    expect(await rowsOf(table)).toEqual([120, 140])
    expect(table.failed).toBe(1)
    expect(Buffer.from(await readBlob(store, table.failures!)).toString()).toBe(
      '{"index":1,"error":"thirteen is out of the question"}\n',
    )
  })

  it('fails where fewer items succeed than asked for', async () => {
    await expect(map(request(items(12, 13, 14)), { atLeast: 0.7 })).rejects.toMatchObject({
      code: 'MAP_ITEMS_FAILED',
      message:
        '1 of 3 items of m failed, where 70 % must succeed; the first is item 1: thirteen is out of the question',
    })
  })

  it.each([
    [100, 0.9, 10],
    [100, 0.07, 93],
    [3, 0.6, 1],
    [3, 1, 0],
    [7, 0, 7],
  ])('of %i items with at least %d may lose %i', (count, atLeast, lost) => {
    expect(mayLose(count, atLeast)).toBe(lost)
  })

  it('does what failed again after a resume, and nothing else, cached or not', async () => {
    for (const cache of [true, false]) {
      const first = request(items(12, 13, 14), {
        run: `cache-${cache}`,
        of: { step: `s-${cache}`, codeVersion: 'v' },
        cache,
      })
      await expect(map(first)).rejects.toMatchObject({ code: 'MAP_ITEMS_FAILED' })
      seen = []
      await expect(map({ ...first, generation: 2 })).rejects.toMatchObject({ code: 'MAP_ITEMS_FAILED' })
      expect(seen).toEqual([13])
    }
  })

  it('never runs a chunk again that stands', async () => {
    const of = request(items(1, 2, 3))
    await openMap(store, of, signal)
    const [one, other] = [
      await runChunk(store, of, { from: 0, to: 3 }, multiply),
      await runChunk(store, of, { from: 0, to: 3 }, multiply),
    ]
    expect(seen).toEqual([1, 2, 3])
    expect(other).toEqual(one)
  })

  it('is opened once, whatever the cache has learnt since', async () => {
    const of = request(items(1, 2))
    const opened = await openMap(store, of, signal)
    await map(request(items(1, 2), { run: 'other' }))
    expect(await openMap(store, of, signal)).toEqual(opened)
  })
})
