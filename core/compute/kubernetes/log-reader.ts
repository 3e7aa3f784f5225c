/**
 * Follows a container's log through broken connections: each line once and in order, as long as the kubelet keeps it.
 *
 * The server can be asked for lines from a whole second on, no finer. So the reader remembers the stamp of the last line and
 * how many lines bore it, begins again at that second, and drops what it has given. It is a live view: the full log is what
 * the supervisor stores, so nobody should wait for this one to end.
 */

import { KubeError, type KubeApi, type KubeObject } from './api.ts'
import { Backoff } from './backoff.ts'
import { linesOf } from './lines.ts'

/** The last line that was given. */
export interface LogCursor {
  /** RFC 3339 with nanoseconds, as the kubelet wrote it. */
  readonly stamp: string
  /** How many lines with this stamp were given. */
  readonly count: number
}

export interface ReadLogOptions {
  readonly api: KubeApi
  readonly pod: string
  readonly container: string
  readonly signal: AbortSignal
  readonly onLine: (line: string, cursor: LogCursor) => void
  /** Only lines after this one. */
  readonly since?: LogCursor
  readonly timing?: Partial<LogTiming>
}

export interface LogTiming {
  /** A connection is renewed after so long, and after so long without a byte: one that died says nothing either. */
  readonly renewMs: number
  readonly idleMs: number
  readonly backoffMs: readonly [first: number, most: number]
}

const TIMING: LogTiming = { renewMs: 300_000, idleMs: 60_000, backoffMs: [200, 5_000] }

/**
 * Waits for the container to start, and returns when it has ended and its log was read to the end, when the Pod is gone, or
 * when the signal aborts. Never rejects because of the connection or the server.
 *
 * @returns the last line given; null when there was none.
 */
export async function readPodLog(options: ReadLogOptions): Promise<LogCursor | null> {
  const reader = new LogReader(options)
  await reader.run()
  return reader.cursor
}

type ContainerState = 'waiting' | 'running' | 'ended' | 'gone' | 'unknown'

interface ContainerStatus {
  readonly name: string
  readonly state?: { readonly running?: object; readonly terminated?: object }
}

interface PodAnswer extends KubeObject {
  readonly status?: {
    readonly phase?: string
    readonly containerStatuses?: readonly ContainerStatus[]
    readonly initContainerStatuses?: readonly ContainerStatus[]
  }
}

class LogReader {
  cursor: LogCursor | null
  readonly #options: ReadLogOptions
  readonly #timing: LogTiming
  readonly #path: string
  readonly #backoff: Backoff

  constructor(options: ReadLogOptions) {
    this.#options = options
    this.#timing = { ...TIMING, ...options.timing }
    this.#path = `/api/v1/namespaces/${options.api.namespace}/pods/${options.pod}`
    this.#backoff = new Backoff(...this.#timing.backoffMs)
    this.cursor = options.since ?? null
  }

  async run(): Promise<void> {
    const { signal } = this.#options
    while (!signal.aborted) {
      const state = await this.#state()
      if (state === 'gone') return
      const failure = state === 'waiting' || state === 'unknown' ? NOT_YET : await this.#read(state === 'running')
      if (failure?.status === 404 || (state === 'ended' && isFinal(failure))) return
      this.#backoff.failures = failure ? this.#backoff.failures + 1 : 0
      await this.#backoff.pause(signal, (failure?.retryAfterSeconds ?? 0) * 1000)
    }
  }

  async #state(): Promise<ContainerState> {
    const { api, container, signal } = this.#options
    try {
      const { status } = await api.request<PodAnswer>('GET', this.#path, { signal })
      const statuses = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])]
      const state = statuses.find(({ name }) => name === container)?.state
      if (state?.terminated || status?.phase === 'Succeeded' || status?.phase === 'Failed') return 'ended'
      return state?.running ? 'running' : 'waiting'
    } catch (error) {
      return error instanceof KubeError && error.status === 404 ? 'gone' : 'unknown'
    }
  }

  /** @returns what broke it; null after a clean end, or when it was time for a new connection. */
  async #read(follow: boolean): Promise<KubeError | null> {
    const { api, container, signal } = this.#options
    const renewal = new AbortController()
    const renew = () => renewal.abort()
    const timers = [setTimeout(renew, this.#timing.renewMs), setTimeout(renew, this.#timing.idleMs)]
    const query = {
      container,
      follow,
      timestamps: true,
      sinceTime: this.cursor ? wholeSecond(this.cursor.stamp) : undefined,
    }
    try {
      const stream = await api.stream(`${this.#path}/log`, { query, signal: AbortSignal.any([signal, renewal.signal]) })
      const take = this.#taker()
      for await (const { text, whole } of linesOf(stream)) {
        timers[1]?.refresh()
        // The rest of a followed log may be half a line: the server's own connection to the node can break.
        if (whole || !follow) take(text)
      }
      return null
    } catch (error) {
      if (signal.aborted || (renewal.signal.aborted && follow)) return null
      if (error instanceof KubeError) return error
      return new KubeError(0, 'Renewed', 'the log took too long', null, { cause: error })
    } finally {
      for (const timer of timers) clearTimeout(timer)
    }
  }

  /** Gives lines on, after those that an earlier connection gave. */
  #taker(): (text: string) => void {
    const reached = this.cursor
    const reachedNanos = reached ? nanosOf(reached.stamp) : 0n
    let isCatchingUp = reached !== null
    let same = 0
    return (text) => {
      const [, stamp, line] = LINE.exec(text) ?? []
      if (stamp === undefined || line === undefined) return // The kubelet's own words.
      if (isCatchingUp && reached) {
        const nanos = nanosOf(stamp)
        if (nanos === reachedNanos) same += 1
        if (nanos < reachedNanos || (nanos === reachedNanos && same <= reached.count)) return
        isCatchingUp = false
      }
      this.cursor = { stamp, count: this.cursor?.stamp === stamp ? this.cursor.count + 1 : 1 }
      this.#options.onLine(line, this.cursor)
    }
  }
}

/** The container has not begun, or nobody can say: not worth a request for its log. */
const NOT_YET = new KubeError(0, 'NotYet', 'the container has not started')

/** Whether a container that ended has nothing more to give: it was read, or the server will never have it. */
function isFinal(failure: KubeError | null): boolean {
  return failure === null || (failure.status >= 400 && failure.status < 500 && failure.status !== 429)
}

const LINE = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)) ?(.*)$/s

function nanosOf(stamp: string): bigint {
  const [, seconds, fraction = '', zone] = /^(.{19})(?:\.(\d+))?(.*)$/.exec(stamp) ?? []
  return BigInt(Date.parse(`${seconds}${zone}`)) * 1_000_000n + BigInt(fraction.padEnd(9, '0'))
}

function wholeSecond(stamp: string): string {
  const ms = Number(nanosOf(stamp) / 1_000_000_000n) * 1000
  return new Date(ms).toISOString().replace('.000Z', 'Z')
}
