/** The HTTP API as the command line calls it: JSON in and out, problems as platform errors, live runs as events. */
import { setTimeout as delay } from 'node:timers/promises'
import { request, type Dispatcher } from 'undici'
import { CATALOGUE, PlatformError, type ErrorCode } from '#core/errors'
import type { RunReport } from '#core/runs'

/** How long an API that takes no connections is waited for: it is being restarted. */
const PATIENCE_MS = 15_000
const PAUSE_MS = 100

type Method = 'GET' | 'POST' | 'PUT' | 'DELETE'

export class ApiClient {
  constructor(
    readonly baseUrl: string,
    private readonly token: string,
  ) {}

  get<T>(path: string): Promise<T> {
    return this.#call('GET', path)
  }

  post<T>(path: string, body: unknown = {}): Promise<T> {
    return this.#call('POST', path, body)
  }

  put<T>(path: string, body: unknown): Promise<T> {
    return this.#call('PUT', path, body)
  }

  delete<T = null>(path: string): Promise<T> {
    return this.#call('DELETE', path)
  }

  async bytes(path: string): Promise<Uint8Array> {
    const answer = await this.#request('GET', path)
    if (answer.statusCode >= 400) throw problemOf(answer.statusCode, await answer.body.text(), `GET ${path}`)
    return new Uint8Array(await answer.body.arrayBuffer())
  }

  /** The body as it comes in, for answers of any size. */
  async stream(path: string): Promise<Dispatcher.ResponseData['body']> {
    const answer = await this.#request('GET', path)
    if (answer.statusCode >= 400) throw problemOf(answer.statusCode, await answer.body.text(), `GET ${path}`)
    return answer.body
  }

  async #call<T>(method: Method, path: string, body?: unknown): Promise<T> {
    const answer = await this.#request(method, path, body)
    const text = await answer.body.text()
    if (answer.statusCode >= 400) throw problemOf(answer.statusCode, text, `${method} ${path}`)
    return (text === '' ? null : JSON.parse(text)) as T
  }

  async #request(method: Method, path: string, body?: unknown, signal?: AbortSignal) {
    const headers = {
      authorization: `Bearer ${this.token}`,
      accept: 'application/json',
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    }
    const deadline = Date.now() + PATIENCE_MS
    for (;;) {
      try {
        return await request(`${this.baseUrl}${path}`, {
          method,
          headers,
          ...(body === undefined ? {} : { body: JSON.stringify(body) }),
          ...(signal ? { signal } : {}),
          headersTimeout: 120_000,
          bodyTimeout: 0,
        } satisfies Parameters<typeof request>[1])
      } catch (cause) {
        if (signal?.aborted) throw cause
        // Refused means that nothing was sent, so that any call may be made again.
        if (!isRefused(cause) || Date.now() > deadline) throw unreachable(this.baseUrl, cause)
        await delay(PAUSE_MS, undefined, signal ? { signal } : {})
      }
    }
  }

  /** Every new state of a run until it is over; after a broken connection the next one goes on with the newest state. */
  async *watch(run: string, signal: AbortSignal): AsyncGenerator<RunReport> {
    const path = `/api/runs/${encodeURIComponent(run)}/events`
    const answer = await this.#request('GET', path, undefined, signal)
    if (answer.statusCode >= 400) throw problemOf(answer.statusCode, await answer.body.text(), `GET ${path}`)
    yield* eventData<RunReport>(answer.body)
  }
}

function isRefused(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === 'ECONNREFUSED'
}

function unreachable(baseUrl: string, cause: unknown): PlatformError {
  const message = `the API at ${baseUrl} does not answer (${(cause as Error).message}); gyre doctor tells what runs`
  return new PlatformError('STACK_NOT_RUNNING', message, {}, { cause })
}

/** The `data:` of each server-sent event, parsed. */
async function* eventData<T>(body: Dispatcher.ResponseData['body']): AsyncGenerator<T> {
  let pending = ''
  body.setEncoding('utf8')
  for await (const chunk of body as AsyncIterable<string>) {
    pending += chunk
    const events = pending.split('\n\n')
    pending = events.pop() ?? ''
    for (const event of events) {
      const lines = event.split('\n').filter((line) => line.startsWith('data:'))
      if (lines.length > 0) yield JSON.parse(lines.map((line) => line.slice(5).trim()).join('\n')) as T
    }
  }
}

/** Problem details (RFC 9457) with our `code`, back to the error that the API met. */
function problemOf(status: number, text: string, call: string): PlatformError {
  try {
    const problem = JSON.parse(text) as {
      code?: string
      detail?: string
      title?: string
      details?: Record<string, unknown>
    }
    const code = problem.code !== undefined && problem.code in CATALOGUE ? (problem.code as ErrorCode) : 'INTERNAL'
    return new PlatformError(
      code,
      problem.detail ?? problem.title ?? `${call} answered ${status}`,
      problem.details ?? {},
    )
  } catch {
    return new PlatformError('INTERNAL', `${call} answered ${status}: ${text.slice(0, 200)}`)
  }
}
