import { describe, expect, it } from 'vitest'
import { encodePixels } from '#core/images'
import { openVersion } from '#core/datasets'
import { capturedImages, CaptureWriter, collectCaptured } from '#core/serving'
import { createMemoryStore, sha256Hex, type ObjectStore } from '#core/storage'
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'

const prediction = { class: 'red', score: 0.9 }
const file = (size: number, byte: number) => new Uint8Array(size).fill(byte)

function writer(store: ObjectStore, options: { replica?: string; replicas?: number; budgetBytes?: number } = {}) {
  return new CaptureWriter({
    store,
    endpoint: 'e',
    revision: 1,
    replica: '0',
    replicas: 1,
    budgetBytes: 100,
    ...options,
  })
}

async function captured(store: ObjectStore) {
  const found = []
  for await (const image of capturedImages(store, 'captures/e/')) found.push(image)
  return found
}

describe('captured images', () => {
  it('are kept once, with what was predicted', async () => {
    const store = createMemoryStore()
    const keeper = writer(store)
    await Promise.all([keeper.offer(file(40, 1), prediction), keeper.offer(file(40, 1), prediction)])
    const digest = sha256Hex(file(40, 1))
    expect(await captured(store)).toEqual([{ key: `captures/e/0/${digest}`, digest, sizeBytes: 40 }])
    const record = JSON.parse(Buffer.from(await store.get(`captures/e/0/${digest}.json`)).toString()) as object
    expect(record).toMatchObject({ digest, class: 'red', score: 0.9, revision: 1 })
  })

  it('never exceed the budget, and a smaller one may still fit', async () => {
    const store = createMemoryStore()
    const keeper = writer(store)
    await Promise.all([60, 50, 40, 1].map((size, i) => keeper.offer(file(size, i), prediction)))
    expect((await captured(store)).map(({ sizeBytes }) => sizeBytes).toSorted()).toEqual([40, 60])
  })

  it('count what an earlier life of the replica kept', async () => {
    const store = createMemoryStore()
    await writer(store).offer(file(60, 1), prediction)
    await writer(store).offer(file(60, 2), prediction)
    expect(await captured(store)).toHaveLength(1)
  })

  it('share the budget equally among replicas', async () => {
    const store = createMemoryStore()
    for (const replica of [0, 1]) {
      const keeper = writer(store, { replica: `${replica}`, replicas: 2 })
      for (const byte of [1, 2]) await keeper.offer(file(30, 10 * replica + byte), prediction)
    }
    expect((await captured(store)).map(({ key }) => key.split('/')[2])).toEqual(['0', '1'])
  })

  it('stay within the budget while replicas with new names follow others', async () => {
    const store = createMemoryStore()
    // Half of the room there is: 50, 40, 30, 20, then 10, which is too little.
    for (const [i, replica] of ['a', 'b', 'c', 'd', 'e'].entries())
      await writer(store, { replica, replicas: 2 }).offer(file(20, i), prediction)
    expect((await captured(store)).map(({ key }) => key.split('/')[2])).toEqual(['a', 'b', 'c', 'd'])
  })

  it('are none when capture is off', async () => {
    const store = createMemoryStore()
    await writer(store, { budgetBytes: 0 }).offer(file(1, 1), prediction)
    expect(await captured(store)).toEqual([])
  })
})

describe('collecting what was captured', () => {
  async function withContext<T>(store: ObjectStore, act: (ctx: Parameters<typeof collectCaptured>[1]) => Promise<T>) {
    const scratchDir = await mkdtemp(path.join(os.tmpdir(), 'gyre-collect-'))
    const signal = new AbortController().signal
    try {
      return await act({ store, runId: 'r', nodeId: 'n', signal, scratchDir, progress: () => undefined })
    } finally {
      await rm(scratchDir, { recursive: true, force: true })
    }
  }
  const picture = (red: number) => encodePixels(file(8 * 8 * 3, red), { height: 8, width: 8 })

  it('puts new images into the dataset without labels, and frees their bytes', async () => {
    const store = createMemoryStore()
    const keeper = writer(store, { budgetBytes: 10_000 })
    for (const red of [10, 200]) await keeper.offer(await picture(red), prediction)
    const result = await withContext(store, (ctx) => collectCaptured({ dataset: 'd', endpoint: 'e' }, ctx))
    expect(result).toMatchObject({ kind: 'dataset-version', dataset: 'd', images: 2, added: 2 })
    expect((await (await openVersion(store, result)).labels()).map(({ label }) => label)).toEqual([null, null])
    expect(await captured(store)).toEqual([])
  })

  it('adds an image that the dataset has only once', async () => {
    const store = createMemoryStore()
    for (const red of [10, 10]) {
      await writer(store, { budgetBytes: 10_000 }).offer(await picture(red), prediction)
      await withContext(store, (ctx) => collectCaptured({ dataset: 'd', endpoint: 'e' }, ctx))
    }
    await writer(store, { budgetBytes: 10_000 }).offer(await picture(200), prediction)
    const result = await withContext(store, (ctx) => collectCaptured({ dataset: 'd', endpoint: 'e' }, ctx))
    expect(result).toMatchObject({ images: 2, added: 1 })
  })

  it('gives the newest version where nothing was captured', async () => {
    const store = createMemoryStore()
    await writer(store, { budgetBytes: 10_000 }).offer(await picture(10), prediction)
    const first = await withContext(store, (ctx) => collectCaptured({ dataset: 'd', endpoint: 'e' }, ctx))
    const second = await withContext(store, (ctx) => collectCaptured({ dataset: 'd', endpoint: 'e' }, ctx))
    expect(second).toEqual({ ...first, added: 0 })
  })
})
