import { describe, expect, it } from 'vitest'
import { cacheKey, forget, lookUp, remember } from '#core/reuse'
import { lastGeneration, nodeRecords, openGeneration, readRun, recordNode } from '#core/runs'
import { blobKey, createMemoryStore, putBlob } from '#core/storage'

const record = (output: number) => ({
  output,
  origin: 'ran' as const,
  key: null,
  attempts: 1,
  startedAt: '2026-01-01T00:00:00.000Z',
  endedAt: '2026-01-01T00:00:01.000Z',
  reason: null,
})

describe('records', () => {
  it('keep the first result of a node', async () => {
    const store = createMemoryStore()
    expect((await recordNode(store, 'r', 'a', record(1))).output).toBe(1)
    expect((await recordNode(store, 'r', 'a', record(2))).output).toBe(1)
    expect([...(await nodeRecords(store, 'r')).keys()]).toEqual(['a'])
  })

  it('give each generation one opener', async () => {
    const store = createMemoryStore()
    const opened = await Promise.all(Array.from({ length: 8 }, () => openGeneration(store, 'r', 'me')))
    expect([...opened].sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
    expect(await lastGeneration(store, 'r')).toBe(8)
  })

  it('say which run is missing', async () => {
    await expect(readRun(createMemoryStore(), 'nope')).rejects.toThrow('there is no run "nope"')
  })
})

describe('the cache', () => {
  it('keys by step, code and input, whatever the order of fields', () => {
    const key = cacheKey('s', 'v', { a: 1, b: 2 })
    expect(cacheKey('s', 'v', { b: 2, a: 1 })).toBe(key)
    expect(cacheKey('s', 'w', { a: 1, b: 2 })).not.toBe(key)
  })

  it('gives what it remembers', async () => {
    const store = createMemoryStore()
    const key = cacheKey('s', 'v', {})
    expect(await lookUp(store, key)).toBeNull()
    await remember(store, key, { output: { n: 1 }, run: 'r', node: 'a' })
    expect(await lookUp(store, key)).toEqual({ output: { n: 1 }, run: 'r', node: 'a' })
  })

  it('tells that a blob of the result is gone, and remembers a new one once it is forgotten', async () => {
    const store = createMemoryStore()
    const blob = await putBlob(store, new Uint8Array([1, 2, 3]))
    const key = cacheKey('s', 'v', {})
    await remember(store, key, { output: { deep: [{ blob: { ...blob } }] }, run: 'r', node: 'a' })
    expect(await lookUp(store, key)).toMatchObject({ run: 'r' })
    await store.delete(blobKey(blob.sha256))
    expect(await lookUp(store, key)).toBe('gone')
    await forget(store, key)
    await remember(store, key, { output: { n: 2 }, run: 'later', node: 'a' })
    expect(await lookUp(store, key)).toMatchObject({ run: 'later' })
  })
})
