/**
 * `KubeApi` over HTTP. Each request asks for the credentials of the moment, so that rotated tokens and renewed client
 * certificates are used without a restart; connections are shared as long as the TLS material stays the same.
 */

import { createHash } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { Agent, ProxyAgent, request as send, type Dispatcher } from 'undici'
import { isPlatformError } from '#core/errors'
import { KubeError, type KubeApi, type KubeConnection, type KubeRequest } from './api.ts'

/** A unary call without an answer after this long has failed. */
const ANSWER_MS = 30_000
const CONNECT_MS = 10_000
/** How often a server that is busy (429) is asked, and the longest pause that it may ask for. */
const BUSY_TRIES = 5
const LONGEST_BUSY_MS = 10_000

export interface KubeCredentials {
  readonly headers: Readonly<Record<string, string>>
  readonly tls: {
    readonly ca?: string | Buffer
    readonly cert?: string | Buffer
    readonly key?: string | Buffer
    readonly passphrase?: string
    readonly servername?: string
    readonly rejectUnauthorized?: boolean
  }
}

export interface KubeAccess {
  /** `https://host:port`, perhaps with a path. */
  readonly server: string
  readonly namespace: string
  /** `http://host:port` of a proxy to go through. */
  readonly proxy?: string
  /** @param renewed - true after a 401: nothing remembered may be given. */
  readonly credentials?: (renewed: boolean) => Promise<KubeCredentials>
  /** How long a unary call waits for its answer; 30 s where left out. */
  readonly answerMs?: number
}

export function connectKube(access: KubeAccess): KubeConnection {
  return new HttpKube(access)
}

const ANONYMOUS: KubeCredentials = { headers: {}, tls: {} }

type Sent = Dispatcher.ResponseData
type Method = Parameters<KubeApi['request']>[0]

class HttpKube implements KubeConnection {
  readonly namespace: string
  readonly server: string
  clockSkewMs: number | null = null
  readonly #access: KubeAccess
  #agent: { readonly key: string; readonly dispatcher: Dispatcher } | null = null

  constructor(access: KubeAccess) {
    this.#access = access
    this.namespace = access.namespace
    this.server = access.server.replace(/\/+$/, '')
  }

  async request<T>(method: Method, path: string, request: KubeRequest = {}): Promise<T> {
    const late = AbortSignal.timeout(this.#access.answerMs ?? ANSWER_MS)
    const signal = request.signal ? AbortSignal.any([request.signal, late]) : late
    for (let attempt = 1; ; attempt++) {
      try {
        const { headers, body } = await this.#open(method, path, { ...request, signal })
        const text = await body.text()
        return (isJson(headers['content-type']) ? JSON.parse(text) : text) as T
      } catch (error) {
        const failure = this.#failure(error, request.signal, late)
        const pauseMs = isEviction(path) ? null : busyMs(failure)
        if (pauseMs === null || attempt === BUSY_TRIES) throw failure
        await delay(pauseMs, undefined, { signal }).catch(() => undefined)
        request.signal?.throwIfAborted()
        if (late.aborted) throw failure
      }
    }
  }

  async stream(path: string, request: Pick<KubeRequest, 'query' | 'signal'> = {}): Promise<AsyncIterable<Uint8Array>> {
    try {
      const { body } = await this.#open('GET', path, request)
      return this.#chunks(body, request.signal)
    } catch (error) {
      throw this.#failure(error, request.signal)
    }
  }

  async *#chunks(body: Sent['body'], signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of body) yield chunk as Uint8Array
    } catch (error) {
      throw this.#failure(error, signal)
    } finally {
      body.destroy()
    }
  }

  /** Sends; asks once more with renewed credentials after a 401. @throws {KubeError} for every answer but 2xx. */
  async #open(method: Method, path: string, request: KubeRequest): Promise<Sent> {
    let answer = await this.#send(method, path, request, false)
    if (answer.statusCode === 401 && this.#access.credentials) {
      await answer.body.dump()
      answer = await this.#send(method, path, request, true)
    }
    if (answer.statusCode >= 200 && answer.statusCode < 300) return answer
    throw statusError(answer.statusCode, answer.headers['retry-after'], await answer.body.text())
  }

  async #send(method: Method, path: string, request: KubeRequest, renewed: boolean): Promise<Sent> {
    const credentials = (await this.#access.credentials?.(renewed)) ?? ANONYMOUS
    const sentAt = Date.now()
    const answer = await send(this.server + path + queryText(request.query), {
      method,
      dispatcher: this.#dispatcher(credentials.tls),
      headers: {
        accept: 'application/json',
        'user-agent': 'gyre',
        ...credentials.headers,
        ...(request.body === undefined ? {} : { 'content-type': request.contentType ?? 'application/json' }),
      },
      ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
      ...(request.signal ? { signal: request.signal } : {}),
      // The first byte of a silent log can take for ever; unary calls end by their own signal.
      headersTimeout: 0,
      bodyTimeout: 0,
    })
    this.#readClock(answer.headers['date'], sentAt)
    return answer
  }

  /** The Date header counts whole seconds, cut off. */
  #readClock(date: string | string[] | undefined, sentAt: number): void {
    const serverMs = Date.parse(String(date))
    if (Number.isFinite(serverMs)) this.clockSkewMs = serverMs + 500 - (sentAt + Date.now()) / 2
  }

  #dispatcher(tls: KubeCredentials['tls']): Dispatcher {
    const key = fingerprint(tls)
    if (this.#agent?.key !== key) {
      void this.#agent?.dispatcher.close()
      const connect = { ...tls, timeout: CONNECT_MS }
      const { proxy } = this.#access
      const dispatcher = proxy ? new ProxyAgent({ uri: proxy, requestTls: connect }) : new Agent({ connect })
      this.#agent = { key, dispatcher }
    }
    return this.#agent.dispatcher
  }

  #failure(error: unknown, ofCaller: AbortSignal | undefined, late?: AbortSignal): unknown {
    if (ofCaller?.aborted) return ofCaller.reason
    if (error instanceof KubeError || isPlatformError(error)) return error
    if (late?.aborted) {
      const seconds = (this.#access.answerMs ?? ANSWER_MS) / 1000
      return new KubeError(0, 'Timeout', `${this.server} did not answer within ${seconds} s`, null, { cause: error })
    }
    return new KubeError(0, 'Unreachable', `${this.server} cannot be reached: ${whyOf(error)}`, null, { cause: error })
  }
}

function queryText(query: KubeRequest['query']): string {
  const params = new URLSearchParams()
  for (const [name, value] of Object.entries(query ?? {})) if (value !== undefined) params.set(name, String(value))
  const text = params.toString()
  return text && `?${text}`
}

function isJson(contentType: string | string[] | undefined): boolean {
  return String(contentType).includes('json')
}

/** An eviction's 429 says that a disruption budget forbids it now: an answer, not a busy server. */
function isEviction(path: string): boolean {
  return path.endsWith('/eviction')
}

/** How long to leave a busy server alone; null when it is something else. */
function busyMs(failure: unknown): number | null {
  if (!(failure instanceof KubeError) || failure.status !== 429 || failure.retryAfterSeconds === null) return null
  return Math.min(failure.retryAfterSeconds * 1000, LONGEST_BUSY_MS)
}

interface Status {
  readonly reason?: string
  readonly message?: string
  readonly details?: { readonly retryAfterSeconds?: number }
}

/** What a server answered instead of 2xx; a proxy in front of it answers no Status, then its text is the message. */
export function statusError(status: number, retryAfter: unknown, text: string): KubeError {
  const { reason, message, details } = parseStatus(text)
  const seconds = Number(retryAfter ?? details?.retryAfterSeconds ?? NaN)
  return new KubeError(
    status,
    reason || WORDS[status] || `HTTP ${status}`,
    message || text.trim().slice(0, 500) || `the server answered HTTP ${status}`,
    Number.isFinite(seconds) ? seconds : null,
  )
}

function parseStatus(text: string): Status {
  try {
    return (JSON.parse(text) as Status | null) ?? {}
  } catch {
    return {}
  }
}

/** The API's words where only a number came. */
const WORDS: Readonly<Record<number, string>> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  409: 'Conflict',
  410: 'Expired',
  422: 'Invalid',
  429: 'TooManyRequests',
  500: 'InternalError',
  503: 'ServiceUnavailable',
  504: 'Timeout',
}

function fingerprint(tls: KubeCredentials['tls']): string {
  const hash = createHash('sha256')
  for (const part of [tls.ca, tls.cert, tls.key]) hash.update(part ?? '').update('\0')
  return hash.digest('hex')
}

/** `connect ECONNREFUSED 127.0.0.1:6443`, also where the runtime wraps one failure per address. */
function whyOf(error: unknown): string {
  const { message, code, errors, cause } = error as NodeJS.ErrnoException & { errors?: Error[]; cause?: unknown }
  const inner = errors?.[0] ?? cause
  return message || (inner ? whyOf(inner) : (code ?? String(error)))
}
