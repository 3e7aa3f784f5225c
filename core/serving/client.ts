/** Calls an endpoint as an application would: encoded image files over HTTP, patient where patience helps. */

import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import pLimit from 'p-limit'
import { PlatformError, type ErrorCode } from '#core/errors'

export interface Prediction {
  readonly class: string
  /** Probability of that class. */
  readonly score: number
}

export interface FilePrediction extends Prediction {
  readonly file: string
}

export interface ImagePrediction extends Prediction {
  /** How far the probability of the second class lies below. */
  readonly margin: number
}

const IN_FLIGHT = 8
/** For one image, all attempts together: longer than a replica or a gateway needs to come back. */
const PATIENCE_MS = 60_000
const PAUSE_MS = 250
/** What patience helps against. */
const PASSING: readonly ErrorCode[] = ['ENDPOINT_OVERLOADED', 'GATEWAY_UNAVAILABLE']

/**
 * @param url - base address of the gateway, as in the endpoint's record.
 * @param options - `token`: what the front door of a server elsewhere wants to see.
 * @returns one entry per file, in order.
 * @throws {PlatformError} naming the file: `IMAGE_UNREADABLE`, `ENDPOINT_NOT_FOUND`, `ENDPOINT_OVERLOADED`, `GATEWAY_UNAVAILABLE`.
 */
export async function predict(
  url: string,
  endpoint: string,
  files: readonly string[],
  { signal, token }: { signal?: AbortSignal; token?: string | null } = {},
): Promise<FilePrediction[]> {
  const limit = pLimit(IN_FLIGHT)
  return Promise.all(
    files.map((file) =>
      limit(async () => {
        const bytes = await readFile(file).catch((cause: unknown) => {
          throw new PlatformError('DATASET_SOURCE_NOT_FOUND', `there is no readable file ${file}`, { file }, { cause })
        })
        const options = { name: path.basename(file), ...(signal && { signal }), ...(token && { token }) }
        const { class: name, score } = await predictImage(url, endpoint, bytes, options)
        return { file, class: name, score }
      }),
    ),
  )
}

/**
 * Sends one image file. Tries again while the endpoint is full or the gateway restarts; prediction changes nothing, so
 * that a repeated call is harmless.
 */
export async function predictImage(
  url: string,
  endpoint: string,
  bytes: Uint8Array,
  {
    name = 'the image',
    signal,
    token,
    patienceMs = PATIENCE_MS,
  }: { name?: string; signal?: AbortSignal; token?: string; patienceMs?: number } = {},
): Promise<ImagePrediction> {
  const deadline = performance.now() + patienceMs
  for (;;) {
    const attempt = await send(url, endpoint, bytes, name, { signal, token })
    if (!(attempt instanceof PlatformError)) return attempt
    const retryAfterMs = Number(attempt.details['retryAfterSeconds'] ?? 0) * 1000 || PAUSE_MS
    if (!PASSING.includes(attempt.code) || performance.now() + retryAfterMs > deadline) throw attempt
    await delay(retryAfterMs, undefined, signal ? { signal } : {})
  }
}

async function send(
  url: string,
  endpoint: string,
  bytes: Uint8Array,
  name: string,
  { signal, token }: { signal: AbortSignal | undefined; token: string | undefined },
): Promise<ImagePrediction | PlatformError> {
  try {
    const response = await fetch(`${url}/v2/models/${endpoint}/infer`, {
      method: 'POST',
      headers: { 'content-type': 'application/octet-stream', ...(token && { authorization: `Bearer ${token}` }) },
      body: bytes as Uint8Array<ArrayBuffer>,
      ...(signal && { signal }),
    })
    const body = await response.text()
    return response.ok ? readPrediction(body) : refusal(response, body, endpoint, name)
  } catch (cause) {
    signal?.throwIfAborted()
    return new PlatformError('GATEWAY_UNAVAILABLE', `the gateway at ${url} does not answer`, { url }, { cause })
  }
}

function readPrediction(body: string): ImagePrediction {
  const { outputs } = JSON.parse(body) as { outputs: { name: string; data: (string | number)[] }[] }
  const data = (wanted: string) => outputs.find(({ name }) => name === wanted)?.data ?? []
  const scores = data('scores') as number[]
  const [best = 0, second = 0] = scores.toSorted((a, b) => b - a)
  return { class: String(data('class')[0]), score: best, margin: best - second }
}

function refusal(response: Response, body: string, endpoint: string, name: string): PlatformError {
  const message = errorText(body)
  const codes: Partial<Record<number, ErrorCode>> = {
    400: 'IMAGE_UNREADABLE',
    401: 'UNAUTHENTICATED',
    403: 'FORBIDDEN',
    404: 'ENDPOINT_NOT_FOUND',
    413: 'IMAGE_TOO_LARGE',
    503: 'ENDPOINT_OVERLOADED',
  }
  const retryAfterSeconds = Number(response.headers.get('retry-after') ?? 0)
  return new PlatformError(codes[response.status] ?? 'INTERNAL', `endpoint ${endpoint} refused ${name}: ${message}`, {
    endpoint,
    status: response.status,
    ...(retryAfterSeconds > 0 && { retryAfterSeconds }),
  })
}

function errorText(body: string): string {
  try {
    return String((JSON.parse(body) as { error?: unknown }).error)
  } catch {
    return body.slice(0, 200)
  }
}
