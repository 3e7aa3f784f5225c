import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openVersion, resolveVersion } from '#core/datasets'
import { addImages } from '#core/imports'
import { collectGarbage, setPolicy, verifyVersion } from '#core/retention'
import { createMemoryStore, sha256Hex, type ObjectStore } from '#core/storage'
import { onABadDay } from '../../support/bad-store.ts'
import { pngImage } from '../../support/images.ts'

const DAY_MS = 24 * 3_600_000

let scratchDir: string
beforeEach(async () => void (scratchDir = await mkdtemp(path.join(tmpdir(), 'gyre-bad-'))))
afterEach(() => rm(scratchDir, { recursive: true }))

/** Again and again, as the engine does. */
async function untilDone<T>(work: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++)
    try {
      return await work()
    } catch (error) {
      if (attempt === 200) throw error
    }
}

async function digestsOf(store: ObjectStore): Promise<string[]> {
  const reader = await openVersion(store, await resolveVersion(store, 'parts'))
  const digests: string[] = []
  for await (const { digest } of reader.images()) digests.push(digest)
  return digests.sort()
}

describe.each([
  ['fails every twentieth call, before or after it took effect', { fails: 0.05, stale: 0 }],
  ['does not show yet what was created a moment ago', { fails: 0, stale: 0.2 }],
  ['does both', { fails: 0.02, stale: 0.1 }],
])('a store that %s', (_, day) => {
  it.each([1, 2])('loses no image of two imports at once, whatever is collected meanwhile (seed %i)', async (seed) => {
    const store = createMemoryStore()
    const bad = onABadDay(store, { seed, ...day })
    const images = await Promise.all([1, 2, 3, 4, 5, 6].map((number) => pngImage(number)))
    const add = (from: number, to: number) =>
      untilDone(() => {
        const files = images.slice(from, to).map((bytes, i) => ({ name: `${from + i}.png`, bytes }))
        return addImages(bad, 'parts', files, { by: 'ada', scratchDir })
      })
    await add(0, 2)
    await setPolicy(store, 'parts', { versions: 1, days: null, runDays: null }, 'ada')
    const start = Date.now()
    let days = 0
    const collect = () =>
      untilDone(() => {
        days += 1 // A collector that failed holds its lease for ten minutes.
        return collectGarbage({ store: bad, by: 'test', scratchDir, now: () => start + days * DAY_MS })
      })
    await Promise.all([add(1, 4), add(3, 6), collect()])
    for (let week = 0; week < 6; week++) {
      days += 7
      await collect()
    }
    expect(await digestsOf(store)).toEqual(images.map((bytes) => sha256Hex(bytes)).sort())
    const version = await resolveVersion(store, 'parts')
    expect(await verifyVersion({ store, version, everyImage: true, scratchDir })).toMatchObject({
      imagesRead: 6,
      problems: [],
    })
  })
})
