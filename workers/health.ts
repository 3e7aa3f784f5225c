/**
 * What the probes and the metrics of a cluster ask a worker:
 *
 *   /healthz   200 while this process answers at all
 *   /readyz    200 while its workers poll and the store answers, else 503 with why not
 *   /metrics   Temporal's own figures, for Prometheus
 */

import { createServer, type Server, type ServerResponse } from 'node:http'
import { createServer as createSocketServer, isIPv6, type AddressInfo } from 'node:net'
import { request } from 'undici'
import { PlatformError } from '#core/errors'

export interface HealthOptions {
  readonly host: string
  /** 0 takes any. */
  readonly port: number
  /** What keeps this worker from its work, one sentence each. */
  readonly problems: () => Promise<readonly string[]>
  /** Port on loopback where Temporal's SDK tells its figures. */
  readonly metricsPort: number
}

/** @throws {PlatformError} `PORT_IN_USE`. */
export async function serveHealth(options: HealthOptions): Promise<{ readonly url: string; close(): void }> {
  const { host, port } = options
  const server = createServer((incoming, response) => {
    answer(options, incoming.url ?? '', response).catch((error: unknown) => tell(response, 500, String(error)))
  })
  await listen(server, host, port)
  const { port: taken } = server.address() as AddressInfo
  return {
    url: `http://${isIPv6(host) ? `[${host}]` : host}:${taken}`,
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}

async function answer({ problems, metricsPort }: HealthOptions, url: string, response: ServerResponse): Promise<void> {
  if (url === '/healthz') return tell(response, 200, 'alive')
  if (url === '/readyz') {
    const found = await problems()
    return tell(response, found.length === 0 ? 200 : 503, found.join('\n') || 'ready')
  }
  if (url === '/metrics') {
    const figures = await request(`http://127.0.0.1:${metricsPort}/metrics`)
    return tell(response, figures.statusCode, await figures.body.text())
  }
  tell(response, 404, 'there are /healthz, /readyz and /metrics')
}

function tell(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(`${text}\n`)
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const message = `the worker cannot answer probes on ${host}:${port} (${cause.code}); set GYRE_HEALTH_PORT to a free port`
      reject(new PlatformError('PORT_IN_USE', message, { port }, { cause }))
    })
    server.listen(port, host, resolve)
  })
}

/** A port of this machine that nobody has at this moment: Temporal's SDK does not tell which one it took. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createSocketServer().once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}

/** Asks again at most this often, however many ask. */
const REMEMBERED_MS = 2_000
const ANSWER_MS = 5_000

/** @returns a probe of the store that remembers its last answer for a moment; null when all is well. */
export function storeProbe(ask: () => Promise<unknown>): () => Promise<string | null> {
  let last: { readonly atMs: number; readonly found: Promise<string | null> } | null = null
  return () => {
    if (!last || Date.now() - last.atMs > REMEMBERED_MS) last = { atMs: Date.now(), found: probe(ask) }
    return last.found
  }
}

async function probe(ask: () => Promise<unknown>): Promise<string | null> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ANSWER_MS / 1000} s`)), ANSWER_MS)
  })
  try {
    await Promise.race([ask(), late])
    return null
  } catch (error) {
    return `the store does not answer: ${(error as Error).message}`
  } finally {
    clearTimeout(timer)
  }
}
