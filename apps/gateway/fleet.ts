/**
 * Makes what the store says true: a set of backends per live revision, and traffic by exact shares. The backends are
 * processes of this machine, or Services of a cluster, whose Pods somebody else starts and ends.
 *
 * F1  Everything is derived from the store, so a gateway that starts again brings every endpoint back.
 * F2  A backend gets no new request from the moment its end is decided, and ends only when it has answered all it had.
 * F3  A revision without traffic stays warm for a while, then it is retired, in the store first: by whoever hosts it.
 */

import type { RevisionStatus } from '#core/compute'
import { PlatformError } from '#core/errors'
import type { Logger } from '#core/log'
import {
  isIdle,
  listEndpointKeys,
  markRetired,
  readRevision,
  readShares,
  ShareSchedule,
  wantedRevisions,
  type EndpointKeys,
  type RevisionRecord,
  type Shares,
} from '#core/serving'
import type { ObjectStore } from '#core/storage'
import type { Backend } from './backend.ts'

export interface FleetOptions {
  readonly store: ObjectStore
  readonly log: Logger
  /** How long a revision that lost its traffic stays warm; null: its replicas are not ours, and somebody else retires it. */
  readonly warmMs: number | null
  /** @param onChange - to be called whenever a backend begins or ceases to take requests. */
  start(record: RevisionRecord, onChange: () => void): readonly Backend[]
}

interface Revision {
  readonly record: RevisionRecord
  readonly backends: readonly Backend[]
}

interface Endpoint {
  traffic: Shares | null
  readonly revisions: Map<number, Revision>
  readonly schedule: ShareSchedule
  /** Why it could not be brought up to date at the last look. */
  trouble: string | null
}

export class Fleet {
  private readonly options: FleetOptions
  private readonly endpoints = new Map<string, Endpoint>()
  private readonly ending = new Set<Promise<void>>()
  private change = deferred()
  private running: Promise<void> | null = null
  private next: Promise<void> | null = null
  /** Before that, nothing can be said to be missing. */
  private hasLooked = false
  private isClosed = false

  constructor(options: FleetOptions) {
    this.options = options
  }

  /** Looks at the store and acts. A call during one that runs waits for a fresh look after it. */
  reconcile(): Promise<void> {
    if (this.next) return this.next
    const previous = this.running ?? Promise.resolve()
    this.next = previous
      .catch(() => undefined)
      .then(() => {
        this.running = this.next
        this.next = null
        return this.look()
      })
    return this.next
  }

  /** Looks at the store and acts; resolves when every backend that is to end has ended. */
  async settle(): Promise<void> {
    await this.reconcile()
    await Promise.all(this.ending)
  }

  names(): string[] {
    return [...this.endpoints.keys()].sort()
  }

  /** Where the replicas are not ours, each revision counts as one that is ready when its Service answers. */
  status(name: string): RevisionStatus[] {
    return [...(this.endpoints.get(name)?.revisions.values() ?? [])].map(({ record, backends }) => ({
      revision: record.revision,
      wanted: backends.length,
      ready: backends.filter((backend) => backend.pool).length,
      trouble: backends.find((backend) => backend.trouble)?.trouble ?? null,
      waiting: null,
    }))
  }

  /**
   * Whether it is of use: the store was read and, where the replicas are ours, every endpoint with traffic has somebody
   * who answers. One revision in trouble elsewhere must not take away the way to all the others.
   */
  isReady(): boolean {
    if (!this.hasLooked) return false
    if (this.options.warmMs === null) return true
    return [...this.endpoints.values()].every(({ traffic, revisions }) => {
      const shares = sharesOf(traffic)
      return shares.length === 0 || shares.some(([revision]) => up(revisions.get(revision)).length > 0)
    })
  }

  /**
   * Chooses the backend for a request: the revision by exact shares among those that are up, then the backend with the
   * fewest requests outstanding. Waits while none is up.
   *
   * @param request - `version`: this revision and no other; `counts`: whether it takes part in the shares (infer calls do);
   *   `not`: the backend that just failed, avoided where there is another.
   * @throws {PlatformError} `ENDPOINT_NOT_FOUND`; `ENDPOINT_OVERLOADED` when none is up in time.
   */
  async choose(
    name: string,
    request: { version: number | null; counts: boolean; not: Backend | null; signal: AbortSignal; waitMs: number },
  ): Promise<Backend> {
    const deadline = performance.now() + request.waitMs
    for (;;) {
      const endpoint = this.endpoints.get(name)
      if (this.hasLooked && !(request.version === null ? sharesOf(endpoint?.traffic).length > 0 : endpoint))
        throw new PlatformError(
          'ENDPOINT_NOT_FOUND',
          `there is no endpoint '${name}'; list them with \`gyre endpoint list\``,
        )
      const revision = endpoint && this.hasLooked && this.chooseRevision(endpoint, name, request)
      const backend = leastOutstanding(up(revision || undefined), request.not)
      if (backend) return backend
      const leftMs = deadline - performance.now()
      if (leftMs <= 0)
        throw new PlatformError('ENDPOINT_OVERLOADED', `no replica of '${name}' is up; try again in 1 s`, {
          retryAfterSeconds: 1,
        })
      await Promise.race([this.change.promise, delayUntil(leftMs, request.signal)])
      request.signal.throwIfAborted()
    }
  }

  /** Ends every backend after it drained. */
  async close(): Promise<void> {
    this.isClosed = true
    await this.running?.catch(() => undefined)
    for (const endpoint of this.endpoints.values())
      for (const revision of [...endpoint.revisions.values()]) this.end(endpoint, revision)
    await Promise.all(this.ending)
  }

  private chooseRevision(
    { traffic, revisions, schedule }: Endpoint,
    name: string,
    { version, counts }: { version: number | null; counts: boolean },
  ): Revision | null {
    if (version !== null) {
      const revision = revisions.get(version)
      if (revision) return revision
      throw new PlatformError('ENDPOINT_NOT_FOUND', `endpoint '${name}' has no version ${version} that is up`)
    }
    const open = sharesOf(traffic).filter(([revision]) => up(revisions.get(revision)).length > 0)
    const chosen = counts ? schedule.next(new Map(open)) : (open.toSorted((a, b) => b[1] - a[1])[0]?.[0] ?? null)
    return chosen === null ? null : (revisions.get(chosen) ?? null)
  }

  private async look(): Promise<void> {
    if (this.isClosed) return
    const listed = await listEndpointKeys(this.options.store)
    for (const [name, keys] of listed) {
      const endpoint = this.endpoints.get(name) ?? newEndpoint()
      this.endpoints.set(name, endpoint)
      // What is wrong with one endpoint must not stop the others.
      await this.bringUpToDate(name, endpoint, keys).then(
        () => (endpoint.trouble = null),
        (error: unknown) => this.note(name, endpoint, error),
      )
    }
    this.hasLooked = true
    this.announce()
  }

  /** Says once what keeps being wrong. */
  private note(name: string, endpoint: Endpoint, error: unknown): void {
    const trouble = error instanceof Error ? error.message : String(error)
    if (endpoint.trouble === trouble) return
    endpoint.trouble = trouble
    this.options.log.error({ err: error, endpoint: name }, 'an endpoint cannot be brought up to date')
  }

  private async bringUpToDate(name: string, endpoint: Endpoint, keys: EndpointKeys): Promise<void> {
    const { store, warmMs, start } = this.options
    endpoint.traffic = await readShares(store, name, keys, endpoint.traffic)
    const wanted = wantedRevisions(keys, endpoint.traffic)
    for (const [revision, running] of [...endpoint.revisions])
      if (!wanted.includes(revision)) this.end(endpoint, running)
    for (const revision of wanted) {
      const running = endpoint.revisions.get(revision)
      const record = running?.record ?? (await readRevision(store, name, revision))
      if (warmMs !== null && isIdle(record, endpoint.traffic, warmMs)) {
        await markRetired(store, name, revision)
        if (running) this.end(endpoint, running)
      } else if (!running) endpoint.revisions.set(revision, { record, backends: start(record, () => this.announce()) })
    }
  }

  private end({ revisions }: Endpoint, { record, backends }: Revision): void {
    revisions.delete(record.revision)
    this.options.log.info({ endpoint: record.endpoint, revision: record.revision }, 'a revision ends')
    for (const backend of backends) {
      const ended: Promise<void> = backend.stop().finally(() => this.ending.delete(ended))
      this.ending.add(ended)
    }
  }

  /** Wakes whoever waits for a backend. */
  private announce(): void {
    this.change.resolve()
    this.change = deferred()
  }
}

function newEndpoint(): Endpoint {
  return { traffic: null, revisions: new Map(), schedule: new ShareSchedule(), trouble: null }
}

/** Revisions that get requests, with their shares. */
function sharesOf(traffic: Shares | null | undefined): (readonly [revision: number, share: number])[] {
  const shares = Object.entries(traffic?.shares ?? {}).map(([revision, share]) => [Number(revision), share] as const)
  return shares.filter(([, share]) => share > 0)
}

function up(revision: Revision | undefined): readonly Backend[] {
  return revision?.backends.filter((backend) => backend.pool) ?? []
}

function leastOutstanding(backends: readonly Backend[], not: Backend | null): Backend | null {
  const others = backends.filter((backend) => backend !== not)
  const [first, ...rest] = others.length > 0 ? others : backends
  if (!first) return null
  return rest.reduce((least, backend) => (backend.outstanding < least.outstanding ? backend : least), first)
}

function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve: () => void = () => undefined
  const promise = new Promise<void>((done) => (resolve = done))
  return { promise, resolve }
}

/** Resolves after the time or when the signal aborts. */
function delayUntil(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal.addEventListener('abort', done, { once: true })
  })
}
