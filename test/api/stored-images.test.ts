import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ThumbnailCache } from '../../apps/api/stored-images.ts'

describe('thumbnails', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }))
  afterEach(() => void vi.useRealTimers())

  it('are made once, and anew after ten minutes, when the image may have been deleted', async () => {
    const cache = new ThumbnailCache((image) => Promise.resolve(image))
    const load = vi.fn(() => Promise.resolve(Uint8Array.of(1)))
    for (let times = 0; times < 3; times++) await cache.get('parts/a', 64, load)
    expect(load).toHaveBeenCalledTimes(1)
    vi.advanceTimersByTime(10 * 60_000)
    load.mockRejectedValueOnce(new Error('deleted'))
    await expect(cache.get('parts/a', 64, load)).rejects.toThrow('deleted')
    await cache.get('parts/a', 64, load)
    await cache.get('parts/a', 64, load)
    expect(load).toHaveBeenCalledTimes(3)
  })

  it('that were used least go when the room is full', async () => {
    const cache = new ThumbnailCache((image) => Promise.resolve(image), 2)
    const load = vi.fn(() => Promise.resolve(Uint8Array.of(1)))
    for (const key of ['a', 'b', 'a', 'c', 'a', 'b']) await cache.get(key, 64, load)
    expect(load).toHaveBeenCalledTimes(4)
  })
})
