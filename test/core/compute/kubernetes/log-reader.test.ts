import { afterEach, beforeEach, expect, it } from 'vitest'
import { readPodLog, type LogCursor, type ReadLogOptions } from '../../../../core/compute/kubernetes/log-reader.ts'
import { startFakeKube, type FakeKube } from '../../../support/fake-kube.ts'

const POD = 'trainer'

let fake: FakeKube
let lines: string[]
let stopping: AbortController

beforeEach(async () => {
  fake = await startFakeKube()
  lines = []
  stopping = new AbortController()
  const spec = { containers: [{ name: 'main', image: 'none' }] }
  fake.put('pods', { kind: 'Pod', apiVersion: 'v1', metadata: { name: POD }, spec, status: { phase: 'Pending' } })
})

afterEach(async () => {
  stopping.abort()
  await fake.stop()
})

function read(options: Partial<ReadLogOptions> = {}): Promise<LogCursor | null> {
  return readPodLog({
    api: fake.api,
    pod: POD,
    container: 'main',
    signal: stopping.signal,
    onLine: (line) => lines.push(line),
    ...options,
    timing: { backoffMs: [1, 5], ...options.timing },
  })
}

const given = (count: number) => fake.until(() => lines.length >= count)
const following = () => fake.until(() => fake.openStreams('log') === 1)

it('the lines of a container are given as they come, and the reading ends with it', async () => {
  fake.runPod(POD)
  const reading = read()
  fake.log(POD, ['one', 'two'])
  await given(2)
  fake.log(POD, '')
  fake.log(POD, 'last')
  fake.endPod(POD)
  await reading
  expect(lines).toEqual(['one', 'two', '', 'last'])
})

it('it waits for a container that has not started', async () => {
  const reading = read()
  await fake.until(() => fake.requests.length > 2)
  fake.runPod(POD)
  fake.log(POD, 'begun')
  fake.endPod(POD)
  await reading
  expect(lines).toEqual(['begun'])
})

it('the log of a container that ended is read to its end', async () => {
  fake.log(POD, ['one', 'two'], { container: 'main' })
  fake.endPod(POD, { exitCode: 1 })
  await read()
  expect(lines).toEqual(['one', 'two'])
})

it.each(['end', 'reset', 'cut'] as const)(
  'no line is lost or given twice when the connection ends by %s',
  async (how) => {
    fake.runPod(POD)
    const reading = read()
    const wanted: string[] = []
    for (let round = 0; round < 5; round++) {
      await following()
      const at = `2026-03-01T10:00:00.00000000${round < 3 ? 1 : round}Z`
      for (const text of [`${round} a`, `${round} b`]) {
        fake.log(POD, text, { at })
        wanted.push(text)
      }
      await given(wanted.length)
      fake.breakStreams(how)
    }
    fake.log(POD, 'last', { at: '2026-03-01T10:00:00.000000004Z' })
    fake.endPod(POD)
    await reading
    expect(lines).toEqual([...wanted, 'last'])
  },
)

it('a new connection begins at the second of the last line', async () => {
  fake.runPod(POD)
  const reading = read()
  await following()
  fake.log(POD, 'one', { at: '2026-03-01T12:00:07.987654321+02:00' })
  await given(1)
  fake.breakStreams('reset')
  await following()
  expect(fake.requests.at(-1)?.query).toMatchObject({
    sinceTime: '2026-03-01T10:00:07Z',
    follow: 'true',
    container: 'main',
  })
  fake.endPod(POD)
  await reading
  expect(lines).toEqual(['one'])
})

it('a connection that only seems to live is renewed', async () => {
  fake.runPod(POD)
  const reading = read({ timing: { idleMs: 30 } })
  await following()
  fake.log(POD, 'one')
  await given(1)
  fake.breakStreams('freeze')
  fake.log(POD, 'two')
  await given(2)
  fake.endPod(POD)
  await reading
  expect(lines).toEqual(['one', 'two'])
})

it('a busy connection is renewed too', async () => {
  fake.runPod(POD)
  const reading = read({ timing: { renewMs: 20 } })
  const isLog = ({ path }: { path: string }) => path.endsWith('/log')
  let written = 0
  await fake.until(() => {
    fake.log(POD, `line ${written++}`)
    return fake.requests.filter(isLog).length > 3
  })
  fake.endPod(POD)
  await reading
  expect(lines).toEqual(Array.from({ length: written }, (_, i) => `line ${i}`))
})

it('a server that was away, refuses or is busy is asked again', async () => {
  fake.runPod(POD)
  const reading = read()
  await following()
  fake.log(POD, 'before')
  await given(1)
  await fake.stop()
  fake.log(POD, 'meanwhile')
  fake.fault({ path: /log$/ }, { kind: 'status', status: 500 }, 2)
  fake.fault({ path: /log$/ }, { kind: 'status', status: 429, retryAfterSeconds: 0 })
  fake.fault({ path: /trainer$/ }, { kind: 'reset' }, 2)
  await fake.restart()
  await given(2)
  fake.endPod(POD)
  await reading
  expect(lines).toEqual(['before', 'meanwhile'])
})

it('it ends when the Pod is gone', async () => {
  fake.runPod(POD)
  const reading = read()
  await following()
  fake.log(POD, 'one')
  await given(1)
  fake.delete('pods', POD)
  expect(await reading).toMatchObject({ count: 1 })
  expect(lines).toEqual(['one'])
})

it('a Pod that failed before its container began has no lines', async () => {
  fake.setStatus('pods', POD, { phase: 'Failed', reason: 'UnexpectedAdmissionError' })
  expect(await read()).toBeNull()
})

it('it ends without an error when its caller has enough', async () => {
  fake.runPod(POD)
  const reading = read()
  await following()
  stopping.abort()
  expect(await reading).toBeNull()
  await fake.until(() => fake.openStreams() === 0)
})

it('reading can go on after the last line of an earlier reading', async () => {
  const at = '2026-03-01T10:00:00.5Z'
  fake.log(POD, ['one', 'two', 'three'], { container: 'main', at })
  fake.endPod(POD)
  const cursor = await read({ since: { stamp: at, count: 2 } })
  expect(lines).toEqual(['three'])
  expect(cursor).toEqual({ stamp: at, count: 3 })
})

it('what the kubelet says itself is no line of the container', async () => {
  fake.log(POD, 'one', { container: 'main' })
  fake.endPod(POD)
  fake.fault({ path: /log$/ }, { kind: 'garbage', text: 'failed to create fsnotify watcher: too many open files\n' })
  await read()
  expect(lines).toEqual(['one'])
})
