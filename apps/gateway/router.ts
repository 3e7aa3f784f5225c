/** Which request is whose: the protocol's own, an endpoint's, or that of the service host beside us. */

import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { PlatformError } from '#core/errors'
import { SERVER_METADATA } from '#core/serving'
import type { Fleet } from './fleet.ts'
import type { GatewayMetrics } from './metrics.ts'
import { refuse, sendJson, type Proxy, type Target } from './proxy.ts'

export interface RouterOptions {
  readonly fleet: Fleet
  readonly proxy: Proxy
  readonly metrics: GatewayMetrics
  isDraining(): boolean
  /** Whether it is the one gateway of this machine. */
  readonly isAlone: boolean
}

type Route = (request: IncomingMessage, response: ServerResponse, path: string) => Promise<void> | void

export function createRouter(options: RouterOptions): RequestListener {
  const { proxy, isDraining, isAlone } = options
  const own = ownRoutes(options)
  return (request, response) => {
    if (isDraining()) response.setHeader('connection', 'close')
    const path = (request.url ?? '/').split('?')[0] ?? '/'
    const target = targetOf(path)
    const route = own.get(`${request.method} ${path}`)
    const handled = async () => {
      if (target) await proxy.handle(target, request, response)
      else if (route) await route(request, response, path)
      else if (path.startsWith('/internal/')) {
        if (isAlone) requireLocal(request)
        requireDirect(request)
        await internal(options.fleet, request, response, path)
      } else throw new PlatformError('ENDPOINT_NOT_FOUND', `there is no ${request.method} ${path}`)
    }
    handled().catch((error: unknown) => refuse(request, response, error))
  }
}

/** `/v2/models/<endpoint>[/versions/<version>][/…]`. */
function targetOf(path: string): Target | null {
  const [, endpoint, version, rest] =
    /^\/v2\/models\/([^/]+)(?:\/versions\/([^/]+))?(\/(?:infer|ready))?$/.exec(path) ?? []
  if (endpoint === undefined) return null
  return {
    endpoint,
    // A version that is no number is none of ours: NaN finds nothing.
    version: version === undefined ? null : Number(version),
    isInfer: rest === '/infer',
  }
}

function ownRoutes({ fleet, metrics }: RouterOptions): Map<string, Route> {
  const json =
    (body: () => unknown): Route =>
    (_request, response) =>
      sendJson(response, 200, JSON.stringify(body()))
  return new Map<string, Route>([
    ['GET /v2', json(() => SERVER_METADATA)],
    ['GET /v2/', json(() => SERVER_METADATA)],
    ['GET /v2/health/live', json(() => ({ live: true }))],
    [
      'GET /v2/health/ready',
      (_request, response) => {
        if (!fleet.isReady()) throw new PlatformError('ENDPOINT_OVERLOADED', 'an endpoint has no replica that is up')
        sendJson(response, 200, JSON.stringify({ ready: true }))
      },
    ],
    ['POST /v2/repository/index', json(() => repositoryIndex(fleet))],
    [
      'GET /metrics',
      async (_request, response) => {
        response.writeHead(200, { 'content-type': metrics.contentType }).end(await metrics.text())
      },
    ],
  ])
}

function repositoryIndex(fleet: Fleet): unknown[] {
  return fleet.names().flatMap((name) =>
    fleet.status(name).map(({ revision, ready, trouble }) => ({
      name,
      version: String(revision),
      state: ready > 0 ? 'READY' : trouble === null ? 'LOADING' : 'UNAVAILABLE',
      reason: trouble ?? '',
    })),
  )
}

function requireLocal(request: IncomingMessage): void {
  const isLocal = ['127.0.0.1', '::1', '::ffff:127.0.0.1'].includes(request.socket.remoteAddress ?? '')
  if (!isLocal) throw new PlatformError('FORBIDDEN', 'this address is for this machine alone')
}

/** Nobody who comes through a proxy from elsewhere. */
function requireDirect(request: IncomingMessage): void {
  if (request.headers['x-forwarded-for'] !== undefined || request.headers['forwarded'] !== undefined)
    throw new PlatformError('FORBIDDEN', 'this address is for the service host alone')
}

/** For the service host: beside us on one machine; on a cluster, whoever reaches a Pod of ours. */
async function internal(fleet: Fleet, request: IncomingMessage, response: ServerResponse, path: string): Promise<void> {
  const name = /^\/internal\/endpoints\/([^/]+)$/.exec(path)?.[1]
  if (request.method === 'POST' && path === '/internal/reconcile') {
    await fleet.reconcile()
    sendJson(response, 200, '{}')
  } else if (request.method === 'POST' && path === '/internal/settle') {
    await fleet.settle()
    sendJson(response, 200, '{}')
  } else if (request.method === 'GET' && name !== undefined) {
    sendJson(response, 200, JSON.stringify(fleet.status(name)))
  } else throw new PlatformError('ENDPOINT_NOT_FOUND', `there is no ${request.method} ${path}`)
}
