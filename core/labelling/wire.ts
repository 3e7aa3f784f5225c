/**
 * How other processes reach the host of a session: a tiny HTTP server whose address and token stand in the session's
 * lease. On one machine it listens on loopback; on a cluster on the address of its Pod. Whoever cannot read the store does
 * not know the token.
 */

import { createServer, type IncomingMessage, type Server } from 'node:http'
import { timingSafeEqual } from 'node:crypto'
import { isIPv6 } from 'node:net'
import type { AddressInfo } from 'node:net'
import { Agent, fetch } from 'undici'
import { PlatformError, toPlatformError, type ErrorCode, type ErrorDetails } from '#core/errors'
import { readLease, type ObjectStore } from '#core/storage'
import { endedSession } from './ended.ts'
import { readOutcome, sessionRecord } from './records.ts'
import type {
  AnnotatorStats,
  Answer,
  ClassChange,
  Disagreement,
  Reasons,
  Screen,
  SessionHost,
  SessionLabel,
  SessionState,
  Undone,
} from './types.ts'

/** What the lease of a session tells those who may read the store. */
export interface HostAddress {
  readonly url: string
  readonly token: string
}

const MAX_BODY_BYTES = 1 << 20
const ANSWER_WITHIN_MS = 60_000
/** The address of a Pod that is gone may swallow calls without a word. */
const CONNECT_WITHIN_MS = 2_000
const toHosts = new Agent({ connect: { timeout: CONNECT_WITHIN_MS } })

export function leaseOf(session: string): string {
  return `session-${session}`
}

/**
 * Serves a host on a free port. Close it with `close`.
 *
 * @param host - null until the host has read its answers.
 * @param address - of this machine or Pod, as those who call reach it.
 * @throws {PlatformError} `INVALID_INPUT` for an address that is not ours.
 */
export async function serveHost(
  host: () => SessionHost | null,
  token: string,
  address = '127.0.0.1',
): Promise<{ readonly url: string; close(): Promise<void> }> {
  const server = createServer((request, response) => {
    const reply = (status: number, body: unknown): void => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    }
    answerCall(host(), token, request).then(
      (result) => reply(200, { result }),
      (error: unknown) => {
        const { code, message, details, httpStatus } = toPlatformError(error)
        reply(httpStatus, { code, message, details })
      },
    )
  })
  await listen(server, address)
  const { port } = server.address() as AddressInfo
  return { url: `http://${isIPv6(address) ? `[${address}]` : address}:${port}`, close: () => close(server) }
}

function listen(server: Server, address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const message = `labelling sessions cannot listen on ${address} (${cause.code}); set GYRE_SESSION_HOST to an address of this machine or Pod`
      reject(new PlatformError('INVALID_INPUT', message, { address }, { cause }))
    })
    server.listen(0, address, resolve)
  })
}

async function answerCall(host: SessionHost | null, token: string, request: IncomingMessage): Promise<unknown> {
  const given = Buffer.from(request.headers.authorization ?? '')
  const expected = Buffer.from(`Bearer ${token}`)
  if (given.length !== expected.length || !timingSafeEqual(given, expected))
    throw new PlatformError('SESSION_HOST_UNAVAILABLE', 'the call names another host of this session; look it up again')
  if (!host) throw new PlatformError('SESSION_HOST_UNAVAILABLE', 'the session is being opened; wait a moment')
  const body = await bodyOf(request)
  switch (request.url) {
    case '/redo':
      return host.redo(...(body as [string]))
    case '/changeClasses':
      return host.changeClasses(...(body as [ClassChange, string]))
    case '/request':
      return host.request(...(body as [string[], string | null, string, boolean | undefined]))
    case '/review':
      return host.review(...(body as [string, number, string]))
    case '/reasons':
      return host.reasons(...(body as [string, string]))
    case '/people':
      return host.people()
    case '/disagreements':
      return host.disagreements(...(body as [string | null, number]))
    case '/labels':
      return collect(host.labels())
    case '/next':
      return host.next(...(body as [string, number]))
    case '/submit':
      return host.submit(...(body as [Answer]))
    case '/undo':
      return host.undo(...(body as [string]))
    case '/state':
      return host.state()
    case '/stop':
      return host.stop(...(body as [string]))
    default:
      throw new PlatformError('INVALID_INPUT', `the session host knows no call ${request.url}`)
  }
}

async function collect<T>(values: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const value of values) all.push(value)
  return all
}

async function bodyOf(request: IncomingMessage): Promise<unknown> {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of request as AsyncIterable<Buffer>) {
    parts.push(part)
    size += part.length
    if (size > MAX_BODY_BYTES)
      throw new PlatformError('INVALID_INPUT', `an answer of more than ${MAX_BODY_BYTES} bytes is refused`)
  }
  return JSON.parse(Buffer.concat(parts).toString() || '[]')
}

async function close(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  server.closeAllConnections()
  await closed
}

/**
 * The session's host, wherever it runs. An ended session still tells its state and has no more screens.
 *
 * @throws {PlatformError} `SESSION_NOT_FOUND`. Its calls throw `SESSION_HOST_UNAVAILABLE` while no host answers, and
 *   `SESSION_CLOSED` for what an ended session cannot do.
 */
export async function connectSession(store: ObjectStore, session: string): Promise<SessionHost> {
  await sessionRecord(store, session)
  const ended = await readOutcome(store, session)
  return ended ? endedSession(store, session, ended) : new RemoteHost(store, session)
}

class RemoteHost implements SessionHost {
  private address: HostAddress | null = null

  constructor(
    private readonly store: ObjectStore,
    private readonly session: string,
  ) {}

  next(annotator: string, count: number): Promise<readonly Screen[]> {
    return this.call('next', (host) => host.next(annotator, count), [annotator, count])
  }

  submit(answer: Omit<Answer, 'at'>): Promise<SessionState> {
    return this.call('submit', (host) => host.submit(answer), [answer])
  }

  undo(annotator: string): Promise<Undone | null> {
    return this.call('undo', (host) => host.undo(annotator), [annotator])
  }

  redo(annotator: string): Promise<Screen | null> {
    return this.call('redo', (host) => host.redo(annotator), [annotator])
  }

  changeClasses(change: ClassChange, by: string): Promise<SessionState> {
    return this.call('changeClasses', (host) => host.changeClasses(change, by), [change, by])
  }

  request(
    images: readonly string[],
    proposed: string | null,
    by: string,
    review: boolean = false,
  ): Promise<SessionState> {
    const args = [images, proposed, by, review] as const
    return this.call('request', (host) => host.request(...args), args)
  }

  review(annotator: string, count: number, by: string): Promise<SessionState> {
    return this.call('review', (host) => host.review(annotator, count, by), [annotator, count, by])
  }

  reasons(screen: string, image: string): Promise<Reasons> {
    return this.call('reasons', (host) => host.reasons(screen, image), [screen, image])
  }

  people(): Promise<readonly AnnotatorStats[]> {
    return this.call('people', (host) => host.people(), [])
  }

  disagreements(after: string | null, count: number): Promise<readonly Disagreement[]> {
    return this.call('disagreements', (host) => host.disagreements(after, count), [after, count])
  }

  async *labels(): AsyncIterable<SessionLabel> {
    yield* await this.call('labels', (host) => collect(host.labels()), [])
  }

  state(): Promise<SessionState> {
    return this.call('state', (host) => host.state(), [])
  }

  stop(by: string): Promise<SessionState> {
    return this.call('stop', (host) => host.stop(by), [by])
  }

  /** Calls the host that was last seen; where it is gone, the one that holds the lease now, or the ended session. */
  private async call<T>(
    method: string,
    onEnded: (host: SessionHost) => Promise<T>,
    args: readonly unknown[],
  ): Promise<T> {
    const known = this.address
    if (known) {
      const answer = await this.ask<T>(known, method, args)
      if (answer !== UNREACHED) return answer
    }
    const ended = await readOutcome(this.store, this.session)
    if (ended) return onEnded(endedSession(this.store, this.session, ended))
    const lease = await readLease<HostAddress>(this.store, leaseOf(this.session))
    this.address = lease?.data ?? null
    if (this.address && this.address.url !== known?.url) {
      const answer = await this.ask<T>(this.address, method, args)
      if (answer !== UNREACHED) return answer
    }
    throw new PlatformError(
      'SESSION_HOST_UNAVAILABLE',
      `the host of session ${this.session} is being restarted; wait a moment, nothing is lost`,
      { session: this.session },
    )
  }

  private async ask<T>(
    { url, token }: HostAddress,
    method: string,
    args: readonly unknown[],
  ): Promise<T | typeof UNREACHED> {
    const response = await fetch(`${url}/${method}`, {
      dispatcher: toHosts,
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify(args),
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
    }).catch(() => null)
    if (!response) return UNREACHED
    const body = (await response.json()) as { result: T } & { code: ErrorCode; message: string; details: ErrorDetails }
    if (response.ok) return body.result
    if (body.code === 'SESSION_HOST_UNAVAILABLE') return UNREACHED
    throw new PlatformError(body.code, body.message, body.details)
  }
}

const UNREACHED = Symbol('no host answered')
