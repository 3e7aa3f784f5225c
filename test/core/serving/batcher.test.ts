import { describe, expect, it } from 'vitest'
import { Batcher, ServiceTime, type BatcherOptions } from '#core/serving'

/** A batcher over numbers of images whose batches end when the test says so. Time stands still but for `clock.ms`. */
function harness(options: Partial<BatcherOptions<number, string>> = {}) {
  const clock = { ms: 0 }
  const runs: {
    items: readonly number[]
    finish: (ms?: number) => Promise<void>
    fail: (error: Error) => Promise<void>
  }[] = []
  const settled = () => new Promise<void>((resolve) => setImmediate(resolve))
  const batcher = new Batcher<number, string>({
    run: (items) =>
      new Promise((resolve, reject) => {
        runs.push({
          items,
          finish: (ms = 0) => {
            clock.ms += ms
            resolve(items.map((n) => (n < 0 ? new Error(`bad ${n}`) : `done ${n}`)))
            return settled()
          },
          fail: (error) => {
            reject(error)
            return settled()
          },
        })
      }),
    images: (n) => Math.abs(n),
    lanes: 1,
    maxBatch: 8,
    queueLimit: 4,
    deadlineMs: 1_000,
    now: () => clock.ms,
    ...options,
  })
  return { batcher, runs, clock }
}

describe('the batcher', () => {
  it('runs a request at once when nothing runs', () => {
    const { batcher, runs } = harness()
    void batcher.submit(1)
    expect(runs.map(({ items }) => items)).toEqual([[1]])
  })

  it('puts what came meanwhile into one batch, in order, up to its size', async () => {
    const { batcher, runs } = harness()
    void batcher.submit(1)
    for (const n of [2, 3, 4]) void batcher.submit(n)
    await runs[0]!.finish()
    expect(runs[1]!.items).toEqual([2, 3])
    await runs[1]!.finish()
    expect(runs[2]!.items).toEqual([4])
  })

  it('runs a request that is larger than a batch alone', async () => {
    const { batcher, runs } = harness()
    void batcher.submit(20)
    void batcher.submit(1)
    expect(runs[0]!.items).toEqual([20])
    await runs[0]!.finish()
    expect(runs[1]!.items).toEqual([1])
  })

  it('keeps every lane busy', () => {
    const { batcher, runs } = harness({ lanes: 2 })
    for (const n of [1, 2, 3]) void batcher.submit(n)
    expect(runs.map(({ items }) => items)).toEqual([[1], [2]])
  })

  it('tells each request its own result, wait and share of the batch', async () => {
    const { batcher, runs, clock } = harness()
    void batcher.submit(1)
    clock.ms = 5
    const second = batcher.submit(2)
    const third = batcher.submit(3)
    await runs[0]!.finish(5)
    await runs[1]!.finish(7)
    expect(await second).toEqual({ result: 'done 2', queueMs: 5, runMs: 7, batchImages: 5 })
    expect(await third).toMatchObject({ result: 'done 3' })
  })

  it('fails only the request whose own item failed', async () => {
    const { batcher, runs } = harness()
    void batcher.submit(1)
    const outcomes = Promise.allSettled([batcher.submit(-2), batcher.submit(3)])
    await runs[0]!.finish()
    await runs[1]!.finish()
    expect(await outcomes).toMatchObject([
      { status: 'rejected', reason: { message: 'bad -2' } },
      { status: 'fulfilled' },
    ])
  })

  it('fails the whole batch when it cannot run, and goes on with the next', async () => {
    const { batcher, runs } = harness()
    const first = batcher.submit(1)
    const second = batcher.submit(2)
    const caught = expect(first).rejects.toThrow('out of memory')
    await runs[0]!.fail(new Error('out of memory'))
    await caught
    await runs[1]!.finish()
    expect((await second).result).toBe('done 2')
  })

  it('refuses the request that finds the queue full, and only that one', async () => {
    const { batcher, runs } = harness({ queueLimit: 2 })
    const accepted = [batcher.submit(1), batcher.submit(2), batcher.submit(3)]
    await expect(batcher.submit(4)).rejects.toMatchObject({
      code: 'ENDPOINT_OVERLOADED',
      details: { retryAfterSeconds: 1 },
    })
    await runs[0]!.finish()
    await runs[1]!.finish()
    expect((await Promise.all(accepted)).map(({ result }) => result)).toEqual(['done 1', 'done 2', 'done 3'])
  })

  it('refuses a request that would miss its deadline, by what batches took, and says when to come back', async () => {
    const { batcher } = harness()
    batcher.learn(8, 800)
    batcher.learn(4, 400)
    void batcher.submit(8)
    void batcher.submit(8)
    // 16 images are ahead: 2 full batches of 800 ms.
    expect(batcher.estimatedWaitMs()).toBeCloseTo(1_600, 6)
    await expect(batcher.submit(1, { deadlineMs: 1_500 })).rejects.toMatchObject({ details: { retryAfterSeconds: 2 } })
    void batcher.submit(1, { deadlineMs: 1_700 })
    expect(batcher.waiting).toBe(2)
  })

  it('forgets a request whose caller went away before it started', async () => {
    const { batcher, runs } = harness()
    void batcher.submit(1)
    const caller = new AbortController()
    const gone = batcher.submit(2, { signal: caller.signal })
    void batcher.submit(3)
    caller.abort(new Error('gone'))
    await expect(gone).rejects.toThrow('gone')
    await runs[0]!.finish()
    expect(runs[1]!.items).toEqual([3])
  })

  it('lets a request run to its end when its caller goes away too late', async () => {
    const { batcher, runs } = harness()
    const caller = new AbortController()
    const late = batcher.submit(1, { signal: caller.signal })
    caller.abort(new Error('gone'))
    await runs[0]!.finish()
    expect((await late).result).toBe('done 1')
  })

  it('is idle when nothing waits and nothing runs', async () => {
    const { batcher, runs } = harness()
    void batcher.submit(1)
    void batcher.submit(9)
    let idle = false
    const waited = batcher.idle().then(() => (idle = true))
    await runs[0]!.finish()
    expect(idle).toBe(false)
    await runs[1]!.finish()
    await waited
    expect(batcher.busy).toBe(false)
  })
})

describe('the learned service time', () => {
  const learned = (...seen: [number, number][]) => {
    const time = new ServiceTime()
    for (const [n, ms] of seen) time.observe(n, ms)
    return time
  }

  it('is the line through what was seen', () => {
    // 3 ms per image and 10 ms per batch: 13, 22, 34.
    const time = learned([1, 13], [4, 22], [8, 34])
    expect(time.estimate(1)).toBeCloseTo(13, 6)
    expect(time.estimate(16)).toBeCloseTo(58, 6)
  })

  it('knows nothing at first', () => {
    expect(new ServiceTime().estimate(5)).toBe(0)
  })

  it('puts all time on the images when batches had one size', () => {
    expect(learned([4, 20], [4, 24]).estimate(8)).toBeCloseTo(44, 6)
  })

  it('never gets shorter with more images', () => {
    const time = learned([1, 20], [8, 10])
    expect(time.estimate(16)).toBe(15)
  })

  it('never starts below zero', () => {
    // Least squares would give 4·n − 6.
    const time = learned([2, 2], [4, 10])
    expect(time.estimate(1)).toBeCloseTo(2, 6)
  })

  it('forgets what is old', () => {
    const time = new ServiceTime(2)
    for (const ms of [1_000, 10, 10]) time.observe(1, ms)
    expect(time.estimate(1)).toBe(10)
  })
})
