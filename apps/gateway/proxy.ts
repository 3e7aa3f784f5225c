/**
 * Carries one request to a replica and its answer back. Bodies are held whole (both ways, within bounds), so that a
 * request whose replica died can be sent once more: prediction changes nothing, and nobody has seen half an answer.
 */

import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import type { Dispatcher } from 'undici'
import { PlatformError, toPlatformError } from '#core/errors'
import { discardBody, errorBody } from '#core/serving'
import type { Backend } from './backend.ts'
import type { Fleet } from './fleet.ts'
import type { GatewayMetrics } from './metrics.ts'

const BODY_LIMIT_BYTES = 32 * 2 ** 20
/** Bodies held at the same time. */
const PENDING_LIMIT_BYTES = 512 * 2 ** 20
const IN_FLIGHT_LIMIT = 4_096
/** How long a request waits for a replica that starts again. */
const HOLD_MS = 15_000
const CONNECT_PAUSE_MS = 20

/** They speak of one connection, not of the message. */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'expect',
  'host',
  'content-length',
])

export interface Target {
  readonly endpoint: string
  readonly version: number | null
  readonly isInfer: boolean
}

interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

export class Proxy {
  inFlight = 0
  private pendingBytes = 0
  private readonly fleet: Fleet
  private readonly metrics: GatewayMetrics

  constructor(fleet: Fleet, metrics: GatewayMetrics) {
    this.fleet = fleet
    this.metrics = metrics
  }

  async handle(target: Target, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new AbortController()
    response.once('close', () => gone.abort(new PlatformError('INVALID_INPUT', 'the client went away')))
    const reserved = this.admit(request)
    this.inFlight += 1
    this.pendingBytes += reserved
    const started = performance.now()
    let status = 499
    try {
      const body = await readBody(request)
      const answer = await this.send(target, request, body, gone.signal)
      status = answer.status
      response.writeHead(answer.status, { ...forwarded(answer.headers), 'content-length': answer.body.length })
      response.end(answer.body)
    } catch (error) {
      if (gone.signal.aborted) return
      status = await refuse(request, response, error)
    } finally {
      this.inFlight -= 1
      this.pendingBytes -= reserved
      this.metrics.observe(target.endpoint, status, performance.now() - started)
    }
  }

  /** @returns the bytes to reserve. @throws {PlatformError} before anything is read. */
  private admit(request: IncomingMessage): number {
    const length = request.headers['content-length']
    const isChunked = request.headers['transfer-encoding'] !== undefined
    const bytes = length === undefined ? (isChunked ? BODY_LIMIT_BYTES : 0) : Number(length)
    if (bytes > BODY_LIMIT_BYTES) throw bodyTooLarge()
    if (this.inFlight >= IN_FLIGHT_LIMIT || this.pendingBytes + bytes > PENDING_LIMIT_BYTES)
      throw new PlatformError(
        'ENDPOINT_OVERLOADED',
        `the gateway carries ${this.inFlight} requests already; try again in 1 s`,
      )
    return bytes
  }

  /** One more try after an answer that broke off; as many as fit in time while there is no connection at all. */
  private async send(target: Target, request: IncomingMessage, body: Buffer, signal: AbortSignal): Promise<Answer> {
    const deadline = performance.now() + HOLD_MS
    let failed: Backend | null = null
    for (let broken = 0; ;) {
      const replica: Backend = await this.fleet.choose(target.endpoint, {
        version: target.version,
        counts: target.isInfer && failed === null,
        not: failed,
        signal,
        waitMs: Math.max(0, deadline - performance.now()),
      })
      try {
        return await exchange(replica, request, body, signal)
      } catch (error) {
        signal.throwIfAborted()
        failed = replica
        this.metrics.retries.inc()
        if (isConnectFailure(error)) replica.suspect()
        if (isConnectFailure(error) && performance.now() < deadline) await delay(CONNECT_PAUSE_MS)
        else if (isBrokenOff(error) && broken === 0) broken += 1
        else throw unreachable(target.endpoint, error)
      }
    }
  }
}

function bodyTooLarge(): PlatformError {
  const limit = `${BODY_LIMIT_BYTES / 2 ** 20} MiB`
  return new PlatformError('IMAGE_TOO_LARGE', `the body is larger than ${limit}; send fewer or smaller images`)
}

async function exchange(
  replica: Backend,
  request: IncomingMessage,
  body: Buffer,
  signal: AbortSignal,
): Promise<Answer> {
  const { pool } = replica
  if (!pool) throw Object.assign(new Error('the replica just ended'), { code: 'ECONNREFUSED' })
  replica.outstanding += 1
  try {
    const answer = await pool.request({
      method: (request.method ?? 'GET') as Dispatcher.HttpMethod,
      path: request.url ?? '/',
      headers: forwarded(request.headers),
      ...(body.length > 0 && { body }),
      signal,
    })
    return { status: answer.statusCode, headers: answer.headers, body: Buffer.from(await answer.body.arrayBuffer()) }
  } finally {
    replica.outstanding -= 1
  }
}

function forwarded(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !HOP_BY_HOP.has(name)))
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > BODY_LIMIT_BYTES) throw bodyTooLarge()
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function codeOf(error: unknown): string {
  return String((error as { code?: unknown } | null)?.code ?? '')
}

/** There is no connection: the replica is not there yet, or known to be gone. */
const CONNECT_FAILURES = [
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_DESTROYED',
  'UND_ERR_CLOSED',
]

function isConnectFailure(error: unknown): boolean {
  return CONNECT_FAILURES.includes(codeOf(error))
}

/** The connection ended before the whole answer was here. */
function isBrokenOff(error: unknown): boolean {
  return ['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET'].includes(codeOf(error))
}

function unreachable(endpoint: string, cause: unknown): PlatformError {
  return new PlatformError(
    'ENDPOINT_OVERLOADED',
    `the replicas of '${endpoint}' do not answer; try again in 1 s`,
    { retryAfterSeconds: 1 },
    { cause },
  )
}

/** @returns the status that was sent. */
export async function refuse(request: IncomingMessage, response: ServerResponse, error: unknown): Promise<number> {
  const { httpStatus, message, details } = toPlatformError(error)
  const retryAfter = httpStatus === 503 ? { 'retry-after': String(details['retryAfterSeconds'] ?? 1) } : {}
  const isTooLarge = httpStatus === 413
  if (isTooLarge) await discardBody(request)
  // What is left of the body must not be taken for the next request.
  sendJson(response, httpStatus, errorBody(message), { ...retryAfter, ...(isTooLarge && { connection: 'close' }) })
  return httpStatus
}

export function sendJson(
  response: ServerResponse,
  status: number,
  json: string,
  headers: Record<string, string> = {},
): void {
  if (response.headersSent) return void response.destroy()
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(json),
    ...headers,
  })
  response.end(json)
}
