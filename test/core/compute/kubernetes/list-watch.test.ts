import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { KubeObject } from '../../../../core/compute/kubernetes/api.ts'
import {
  watchObjects,
  type ObjectChange,
  type ObjectWatch,
  type WatchOptions,
} from '../../../../core/compute/kubernetes/list-watch.ts'
import { startFakeKube, type FakeKube } from '../../../support/fake-kube.ts'

const JOBS = '/apis/batch/v1/namespaces/gyre/jobs'

interface Job extends KubeObject {
  readonly spec?: { readonly parallelism?: number }
}

let fake: FakeKube
let watch: ObjectWatch<Job>
let told: string[]
let troubles: (string | null)[]

beforeEach(async () => {
  fake = await startFakeKube()
  told = []
  troubles = []
})

afterEach(async () => {
  watch.stop()
  await fake.stop()
})

function start(options: Partial<WatchOptions<Job>> = {}): ObjectWatch<Job> {
  watch = watchObjects<Job>({
    api: fake.api,
    path: JOBS,
    onTrouble: (sentence) => troubles.push(sentence),
    ...options,
    timing: { backoffMs: [1, 10], ...options.timing },
  })
  watch.changed(({ type, object }: ObjectChange<Job>) => told.push(`${type} ${object.metadata.name}`))
  return watch
}

const job = (name: string, parallelism = 1, labels = {}) => ({
  kind: 'Job',
  apiVersion: 'batch/v1',
  metadata: { name, labels },
  spec: { parallelism },
})

const has = (name: string) => fake.until(() => watch.get(name) !== undefined)
const watching = (times = 1) => fake.until(() => fake.openStreams('watch') === 1 && watch.counts.watches >= times)

describe('in good times', () => {
  it('the first list holds everything, over several pages', async () => {
    for (let i = 0; i < 7; i++) fake.put('jobs', job(`job-${i}`))
    start({ timing: { pageSize: 3 } })
    await watch.synced
    expect(watch.values().map(({ metadata }) => metadata.name)).toHaveLength(7)
    expect(fake.requests.slice(0, 3).map(({ query }) => query['limit'])).toEqual(['3', '3', '3'])
    expect(watch.trouble).toBeNull()
  })

  it('additions, changes and deletions are told once each, in order', async () => {
    start()
    await watching()
    fake.put('jobs', job('a'))
    fake.put('jobs', job('a', 2))
    fake.put('jobs', job('b'))
    fake.delete('jobs', 'a')
    await fake.until(() => told.length === 4)
    expect(told).toEqual(['set a', 'set a', 'set b', 'gone a'])
    expect(watch.get('a')).toBeUndefined()
    expect(watch.get('b')?.spec?.parallelism).toBe(1)
  })

  it('only what the selectors name is kept, also when a label changes', async () => {
    fake.put('jobs', job('ours', 1, { 'app.kubernetes.io/managed-by': 'gyre' }))
    fake.put('jobs', job('theirs'))
    start({ labelSelector: 'app.kubernetes.io/managed-by=gyre' })
    await watching()
    expect(watch.values().map(({ metadata }) => metadata.name)).toEqual(['ours'])
    fake.put('jobs', job('ours', 1, {}))
    await fake.until(() => watch.values().length === 0)
    expect(told).toEqual(['set ours', 'gone ours'])
  })

  it('what is remembered of an object can be cut down', async () => {
    fake.put('jobs', job('a'))
    start({ keep: ({ metadata: { name } }) => ({ metadata: { name } }) })
    await watch.synced
    expect(watch.get('a')).toEqual({ metadata: { name: 'a' } })
  })

  it('asks for bookmarks and an end after 240 to 300 s', async () => {
    start()
    await watching()
    const { query } = fake.requests.at(-1)!
    expect(query).toMatchObject({ watch: 'true', allowWatchBookmarks: 'true', resourceVersion: '1002' })
    expect(Number(query['timeoutSeconds'])).toBeGreaterThanOrEqual(240)
    expect(Number(query['timeoutSeconds'])).toBeLessThanOrEqual(300)
  })

  it('goes on from a bookmark, so that a quiet watch does not expire', async () => {
    start()
    await watching()
    fake.objects.create('/api/v1/namespaces/gyre/pods', { metadata: { name: 'unrelated' } })
    fake.bookmark()
    fake.compact()
    fake.breakStreams('end')
    await watching(2)
    expect(fake.requests.at(-1)?.query['resourceVersion']).toBe('1003')
    fake.put('jobs', job('a'))
    await has('a')
    expect(watch.counts.lists).toBe(1)
  })
})

describe('when things break', () => {
  it.each(['end', 'reset', 'cut'] as const)('nothing is lost when the watch ends by %s', async (how) => {
    start()
    await watching()
    fake.put('jobs', job('a'))
    await has('a')
    fake.breakStreams(how)
    fake.put('jobs', job('b'))
    fake.delete('jobs', 'a')
    await fake.until(() => watch.get('a') === undefined && watch.get('b') !== undefined)
    expect(told).toEqual(['set a', 'set b', 'gone a'])
    expect(watch.trouble).toBeNull()
  })

  it('a broken watch that can be opened again is no trouble', async () => {
    start()
    await watching()
    fake.breakStreams('reset')
    await watching(2)
    expect(troubles).toEqual([])
  })

  it('silence ends a dead connection', async () => {
    start({ timing: { idleMs: 40 } })
    await watching()
    fake.breakStreams('freeze')
    fake.put('jobs', job('a'))
    await has('a')
    expect(watch.counts.watches).toBeGreaterThan(1)
  })

  it('a server that takes requests and says nothing is told as trouble', async () => {
    start()
    await watch.synced
    watch.stop()
    fake.fault({ watch: true }, { kind: 'half-open' })
    start({ timing: { idleMs: 30 } })
    await fake.until(() => troubles.length > 0)
    expect(troubles[0]).toBe(`${fake.url} said nothing for 0.03 s`)
    await fake.until(() => watch.trouble === null)
  })

  it.each([
    ['as an event of a watch in flight', () => void fake.breakStreams('expire')],
    [
      'as the first event',
      () => {
        fake.fault({ watch: true }, { kind: 'expired' })
        fake.breakStreams('end')
      },
    ],
    [
      'as the answer',
      () => {
        fake.fault({ watch: true }, { kind: 'status', status: 410, reason: 'Expired' })
        fake.breakStreams('end')
      },
    ],
  ])('410 %s reads the list again, and tells what differs', async (_, expire) => {
    fake.put('jobs', job('stays'))
    fake.put('jobs', job('goes'))
    start()
    await watching()
    told.length = 0
    fake.breakStreams('freeze')
    fake.delete('jobs', 'goes')
    fake.put('jobs', job('new'))
    fake.compact()
    expire()
    await has('new')
    expect(told).toEqual(['gone goes', 'set new'])
    expect(watch.counts.lists).toBe(2)
    expect(troubles).toEqual([])
  })

  it('a page whose token has expired begins the list again', async () => {
    for (let i = 0; i < 4; i++) fake.put('jobs', job(`job-${i}`))
    fake.fault({ path: JOBS }, { kind: 'slow', ms: 0 })
    fake.fault({ path: JOBS }, { kind: 'status', status: 410, reason: 'Expired' })
    start({ timing: { pageSize: 2 } })
    await watch.synced
    expect(watch.values()).toHaveLength(4)
    expect(watch.counts.lists).toBe(1)
  })

  it.each([
    [500, 'InternalError'],
    [503, 'ServiceUnavailable'],
    [403, 'Forbidden'],
  ])('HTTP %i is told as trouble until it is over', async (status, reason) => {
    fake.fault({}, { kind: 'status', status, reason, message: `no: ${reason}` }, 2)
    start()
    await watch.synced
    expect(troubles).toEqual([`no: ${reason}`, null])
  })

  it('a server that asks for time gets it', async () => {
    start()
    await watching()
    fake.fault({ watch: true }, { kind: 'status', status: 503, reason: 'ServiceUnavailable', retryAfterSeconds: 0.1 })
    const before = Date.now()
    fake.breakStreams('end')
    await watching(2)
    expect(Date.now() - before).toBeGreaterThanOrEqual(95)
  })

  it('unknown kinds of events are passed over', async () => {
    fake.fault({ watch: true }, { kind: 'garbage', text: '{"type":"CONFETTI","object":{"metadata":{"name":"x"}}}\n' })
    start()
    await watching()
    fake.put('jobs', job('a'))
    await has('a')
    expect(watch.counts).toEqual({ lists: 1, watches: 1, unreadable: 0 })
  })

  it('a line that is no event is counted, and the list is read again', async () => {
    fake.fault({ watch: true }, { kind: 'garbage', text: 'proxy says hello\n' })
    start()
    await watching(2)
    expect(watch.counts).toEqual({ lists: 2, watches: 2, unreadable: 1 })
  })

  it('the list is read again from time to time, whatever the watch says', async () => {
    start({ timing: { relistMs: 30 } })
    await watching()
    fake.breakStreams('freeze')
    fake.put('jobs', job('unheard'))
    await has('unheard')
    expect(watch.counts.lists).toBeGreaterThan(1)
  })

  it('a server that was away is found again, with what changed meanwhile', async () => {
    fake.put('jobs', job('a'))
    start()
    await watching()
    await fake.stop()
    fake.put('jobs', job('b'))
    await fake.restart()
    await has('b')
    expect(watch.values()).toHaveLength(2)
    await fake.until(() => watch.trouble === null)
  })

  it('a server that came back empty empties the copy', async () => {
    fake.put('jobs', job('a'))
    start()
    await watching()
    await fake.restart({ lose: true })
    await fake.until(() => watch.values().length === 0)
    expect(told).toEqual(['set a', 'gone a'])
  })

  it('a server that ends every watch at once is not asked as fast as it answers', async () => {
    const gaps: number[] = []
    let last = Date.now()
    fake.fault({ watch: true }, { kind: 'status', status: 500 }, 6)
    start({ timing: { backoffMs: [4, 1_000] } })
    await fake.until(() => {
      if (fake.requests.filter(({ query }) => query['watch']).length <= gaps.length) return gaps.length > 6
      gaps.push(Date.now() - last)
      last = Date.now()
      return gaps.length > 6
    })
    // Pauses are 4·2ⁿ ms, at least half of it: the sixth is 64 ms or more.
    expect(gaps.at(-1)).toBeGreaterThanOrEqual(60)
  })

  it('a listener that throws does not end it', async () => {
    start()
    watch.changed(() => {
      throw new Error('a mistake')
    })
    await watching()
    fake.put('jobs', job('a'))
    await has('a')
    fake.put('jobs', job('b'))
    await has('b')
    expect(watch.counts.lists).toBe(1)
  })
})

describe('at the end', () => {
  it('stopping closes the connection and tells nothing more', async () => {
    start()
    await watching()
    watch.stop()
    await fake.until(() => fake.openStreams() === 0)
    fake.put('jobs', job('late'))
    expect(watch.values()).toEqual([])
  })

  it('who waits for the first list hears that the watch was stopped', async () => {
    await fake.stop()
    start()
    watch.stop()
    await expect(watch.synced).rejects.toThrow(/was stopped/)
  })
})
