/** Calls the HTTP API. A refusal becomes an `ApiProblem` whose message is fit to be shown. */

export class ApiProblem extends Error {
  override readonly name = 'ApiProblem'

  constructor(
    readonly code: string,
    readonly status: number,
    message: string,
    readonly remedy: string | null,
    /** What a refusal says beside words. */
    readonly details: Readonly<Record<string, unknown>> = {},
  ) {
    super(message)
  }

  /** The same call, made again, can succeed without anybody mending anything. */
  get passing(): boolean {
    return this.status === 0 || this.status === 429 || this.status >= 500
  }
}

export const get = <T>(path: string, signal?: AbortSignal): Promise<T> => call<T>('GET', path, undefined, signal)
export const post = <T>(path: string, body: unknown = {}): Promise<T> => call<T>('POST', path, body)
export const put = <T>(path: string, body: unknown): Promise<T> => call<T>('PUT', path, body)
export const remove = (path: string): Promise<void> => call<void>('DELETE', path)

/** The bytes of an answer that is no JSON. */
export async function getBytes(path: string, signal?: AbortSignal): Promise<ArrayBuffer> {
  return (
    await answerTo(path, { headers: { accept: 'application/octet-stream' }, signal: signal ?? null })
  ).arrayBuffer()
}

async function call<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  // Forms and files carry a content type of their own.
  const raw = body instanceof FormData || body instanceof Blob
  const init: RequestInit = { method, headers: { accept: 'application/json' }, signal: signal ?? null }
  if (body !== undefined) {
    init.body = raw ? body : JSON.stringify(body)
    if (!raw) init.headers = { ...init.headers, 'content-type': 'application/json' }
  }
  const answer = await answerTo(path, init)
  return (answer.status === 204 ? undefined : await answer.json()) as T
}

async function answerTo(path: string, init: RequestInit): Promise<Response> {
  const answer = await fetch(path, init).catch((error: unknown) => {
    if (init.signal?.aborted) throw error
    throw new ApiProblem(
      'UNREACHABLE',
      0,
      'Gyre does not answer; it may be restarting.',
      'See the terminal of `gyre dev`.',
    )
  })
  if (!answer.ok) throw await problemOf(answer)
  return answer
}

async function problemOf(answer: Response): Promise<ApiProblem> {
  const problem = (await answer.json().catch(() => ({}))) as {
    readonly code?: string
    readonly detail?: string
    readonly remedy?: string
    readonly details?: Readonly<Record<string, unknown>>
  }
  return new ApiProblem(
    problem.code ?? 'INTERNAL',
    answer.status,
    problem.detail ?? `The server answered ${answer.status}.`,
    problem.remedy ?? null,
    problem.details,
  )
}

export const segment = encodeURIComponent

/** A stored file; `name` makes it a download. */
export const blobUrl = (sha256: string, name?: string): string =>
  `/api/blobs/${sha256}${name ? `?name=${segment(name)}` : ''}`

export const thumbnailUrl = (dataset: string, digest: string, size: 96 | 160 | 320 | 640): string =>
  `/api/thumbnails/${segment(dataset)}/${digest}?size=${size}`

export const imageUrl = (dataset: string, digest: string): string => `/api/images/${segment(dataset)}/${digest}`
