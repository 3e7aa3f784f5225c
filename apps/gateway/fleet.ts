/**
 * Makes what the store says true: one set of replica processes per live revision, and traffic by exact shares.
 *
 * F1  Everything is derived from the store, so a gateway that starts again brings every endpoint back.
 * F2  A replica gets no new request from the moment its end is decided, and ends only when it has answered all it had.
 * F3  A revision without traffic stays warm for a while, then it is retired, in the store first.
 */

import type { RevisionStatus, Traffic } from '#core/compute'
import { PlatformError } from '#core/errors'
import type { Logger } from '#core/log'
import { markRetired, readRevision, readTraffic, ShareSchedule, type RevisionRecord } from '#core/serving'
import type { ObjectStore } from '#core/storage'
import { Replica } from './replica.ts'

export interface FleetOptions {
  readonly store: ObjectStore
  readonly log: Logger
  /** How long a revision that lost its traffic stays warm. */
  readonly warmMs: number
  /** What every replica process is started with. */
  readonly replicaEnv: Readonly<Record<string, string>>
}

/** A revision that never had traffic may be in the middle of its roll-out. */
const UPCOMING_MS = 3_600_000

interface Revision {
  readonly record: RevisionRecord
  readonly replicas: readonly Replica[]
}

interface Endpoint {
  traffic: { readonly seq: number; readonly shares: Traffic; readonly at: number } | null
  readonly revisions: Map<number, Revision>
  readonly schedule: ShareSchedule
  /** Why it could not be brought up to date at the last look. */
  trouble: string | null
}

/** What the keys alone say of one endpoint. */
interface Listed {
  readonly revisions: Set<number>
  readonly retired: Set<number>
  trafficSeq: number
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

  names(): string[] {
    return [...this.endpoints.keys()].sort()
  }

  status(name: string): RevisionStatus[] {
    return [...(this.endpoints.get(name)?.revisions.values() ?? [])].map(({ record, replicas }) => ({
      revision: record.revision,
      wanted: replicas.length,
      ready: replicas.filter((replica) => replica.pool).length,
      trouble: replicas.find((replica) => replica.trouble)?.trouble ?? null,
    }))
  }

  /** Every endpoint with traffic has somebody who answers. */
  isReady(): boolean {
    if (!this.hasLooked) return false
    return [...this.endpoints.values()].every(
      ({ traffic, revisions }) =>
        !traffic ||
        Object.keys(traffic.shares).some((revision) => readyReplicas(revisions.get(Number(revision))).length > 0),
    )
  }

  /**
   * Chooses the replica for a request: the revision by exact shares among those that are up, then the replica with the
   * fewest requests outstanding. Waits while none is up.
   *
   * @param request - `version`: this revision and no other; `counts`: whether it takes part in the shares (infer calls do);
   *   `not`: the replica that just failed, avoided where there is another.
   * @throws {PlatformError} `ENDPOINT_NOT_FOUND`; `ENDPOINT_OVERLOADED` when none is up in time.
   */
  async choose(
    name: string,
    request: { version: number | null; counts: boolean; not: Replica | null; signal: AbortSignal; waitMs: number },
  ): Promise<Replica> {
    const deadline = performance.now() + request.waitMs
    for (;;) {
      const endpoint = this.endpoints.get(name)
      if (this.hasLooked && !(request.version === null ? endpoint?.traffic : endpoint))
        throw new PlatformError(
          'ENDPOINT_NOT_FOUND',
          `there is no endpoint '${name}'; list them with \`gyre endpoint list\``,
        )
      const revision = endpoint && this.hasLooked && this.chooseRevision(endpoint, name, request)
      const replica = leastOutstanding(readyReplicas(revision || undefined), request.not)
      if (replica) return replica
      const leftMs = deadline - performance.now()
      if (leftMs <= 0)
        throw new PlatformError('ENDPOINT_OVERLOADED', `no replica of '${name}' is up; try again in 1 s`, {
          retryAfterSeconds: 1,
        })
      await Promise.race([this.change.promise, delayUntil(leftMs, request.signal)])
      request.signal.throwIfAborted()
    }
  }

  /** Ends every replica after it drained. */
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
    const shares = Object.entries(traffic?.shares ?? {}).map(([revision, share]) => [Number(revision), share] as const)
    const up = shares.filter(([revision, share]) => share > 0 && readyReplicas(revisions.get(revision)).length > 0)
    const chosen = counts ? schedule.next(new Map(up)) : (up.toSorted((a, b) => b[1] - a[1])[0]?.[0] ?? null)
    return chosen === null ? null : (revisions.get(chosen) ?? null)
  }

  private async look(): Promise<void> {
    if (this.isClosed) return
    for (const [name, keys] of await this.list()) {
      const endpoint = this.endpoints.get(name) ?? newEndpoint()
      this.endpoints.set(name, endpoint)
      // What is wrong with one endpoint must not stop the others.
      await this.settle(name, endpoint, keys).then(
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

  private async settle(name: string, endpoint: Endpoint, keys: Listed): Promise<void> {
    await this.readShares(name, endpoint, keys.trafficSeq)
    for (const revision of keys.revisions) {
      const running = endpoint.revisions.get(revision)
      if (keys.retired.has(revision)) {
        if (running) this.end(endpoint, running)
        continue
      }
      const record = running?.record ?? (await readRevision(this.options.store, name, revision))
      if (this.isIdle(record, endpoint)) {
        await markRetired(this.options.store, name, revision)
        if (running) this.end(endpoint, running)
      } else if (!running) endpoint.revisions.set(revision, this.start(record))
    }
  }

  private async list(): Promise<Map<string, Listed>> {
    const listed = new Map<string, Listed>()
    for await (const { key } of this.options.store.list('endpoints/')) {
      const [, name = '', kind = '', digits = ''] =
        /^endpoints\/([^/]+)\/(revisions|retired|traffic)\/(\d+)\.json$/.exec(key) ?? []
      if (name === '') continue
      const entry = listed.get(name) ?? { revisions: new Set<number>(), retired: new Set<number>(), trafficSeq: 0 }
      listed.set(name, entry)
      if (kind === 'traffic') entry.trafficSeq = Math.max(entry.trafficSeq, Number(digits))
      else entry[kind === 'revisions' ? 'revisions' : 'retired'].add(Number(digits))
    }
    return listed
  }

  private start(record: RevisionRecord): Revision {
    const { endpoint, revision } = record
    const { replicaEnv, log } = this.options
    const replicas = Array.from(
      { length: record.replicas },
      (_, index) => new Replica({ endpoint, revision, index, env: replicaEnv }, log, () => this.announce()),
    )
    return { record, replicas }
  }

  private async readShares(name: string, endpoint: Endpoint, seq: number): Promise<void> {
    if (seq <= (endpoint.traffic?.seq ?? 0)) return
    const entry = await readTraffic(this.options.store, name)
    if (entry) endpoint.traffic = { seq: entry.seq, shares: entry.value, at: Date.parse(entry.at) }
  }

  /** Whether a revision has been without traffic for so long that nobody will want it back (F3). */
  private isIdle({ revision, createdAt }: RevisionRecord, { traffic }: Endpoint): boolean {
    if ((traffic?.shares[revision] ?? 0) > 0) return false
    const newest = Math.max(0, ...Object.keys(traffic?.shares ?? {}).map(Number))
    if (!traffic || revision > newest) return Date.now() - Date.parse(createdAt) > UPCOMING_MS
    return Date.now() - traffic.at > this.options.warmMs
  }

  private end({ revisions }: Endpoint, { record, replicas }: Revision): void {
    revisions.delete(record.revision)
    this.options.log.info({ endpoint: record.endpoint, revision: record.revision }, 'a revision ends')
    for (const replica of replicas) {
      const ended = replica.stop().finally(() => this.ending.delete(ended))
      this.ending.add(ended)
    }
  }

  /** Wakes whoever waits for a replica. */
  private announce(): void {
    this.change.resolve()
    this.change = deferred()
  }
}

function newEndpoint(): Endpoint {
  return { traffic: null, revisions: new Map(), schedule: new ShareSchedule(), trouble: null }
}

function readyReplicas(revision: Revision | undefined): readonly Replica[] {
  return revision?.replicas.filter((replica) => replica.pool) ?? []
}

function leastOutstanding(replicas: readonly Replica[], not: Replica | null): Replica | null {
  const others = replicas.filter((replica) => replica !== not)
  const [first, ...rest] = others.length > 0 ? others : replicas
  if (!first) return null
  return rest.reduce((least, replica) => (replica.outstanding < least.outstanding ? replica : least), first)
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
