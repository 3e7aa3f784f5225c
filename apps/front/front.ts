/**
 * Who gets a call that comes from outside. Predictions (`/v2/…`) need a bearer token and go to the gateway; everything
 * else goes to the API, which asks for a login itself. Nothing else of this machine can be reached.
 */

import type { IncomingMessage, RequestListener } from 'node:http'
import { PlatformError, toPlatformError } from '#core/errors'
import { can, type Doorkeeper } from '#core/identity'
import { FailureLimit } from './failures.ts'
import { Upstream, type Caller } from './forward.ts'
import { refuseCall, refusePrediction } from './refusals.ts'

export interface FrontOptions {
  readonly doorkeeper: Pick<Doorkeeper, 'authenticate'>
  readonly apiUrl: URL
  /** Null where endpoints run in a cluster. */
  readonly gatewayUrl: URL | null
  readonly scheme: 'http' | 'https'
  /** Whether a proxy in front says who calls. */
  readonly behindProxy: boolean
  readonly failuresPerMinute?: number
}

const FAILURES_PER_MINUTE = 30

export function createFront(options: FrontOptions): RequestListener {
  const { doorkeeper, apiUrl, gatewayUrl, failuresPerMinute = FAILURES_PER_MINUTE } = options
  const failures = new FailureLimit(failuresPerMinute)
  const api = new Upstream(apiUrl, (response) => refuseCall(response, away('STACK_NOT_RUNNING', 'the API')))
  const gateway =
    gatewayUrl &&
    new Upstream(gatewayUrl, (response) => refusePrediction(response, away('GATEWAY_UNAVAILABLE', 'the gateway')))
  return (request, response) => {
    const caller = callerOf(request, options)
    if (!request.url?.startsWith('/')) return refuseCall(response, new PlatformError('ROUTE_NOT_FOUND', 'name a path'))
    if (!isPrediction(request.url)) return api.forward(request, response, caller)
    if (!gateway) return refusePrediction(response, elsewhere())
    admit(request, caller.address, doorkeeper, failures).then(
      () => gateway.forward(request, response, caller),
      (error: unknown) => refusePrediction(response, toPlatformError(error)),
    )
  }
}

function isPrediction(url: string): boolean {
  return /^\/v2(?:[/?]|$)/.test(url)
}

/** @throws {PlatformError} `UNAUTHENTICATED`, `TOO_MANY_REQUESTS`, `FORBIDDEN`. */
async function admit(
  request: IncomingMessage,
  address: string,
  doorkeeper: Pick<Doorkeeper, 'authenticate'>,
  failures: FailureLimit,
): Promise<void> {
  const retryAfterSeconds = failures.waitSeconds(address)
  if (retryAfterSeconds > 0)
    throw new PlatformError('TOO_MANY_REQUESTS', 'too many calls with a wrong token; wait a minute', {
      retryAfterSeconds,
    })
  const token = /^Bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1]
  const principal = token ? await doorkeeper.authenticate(token) : null
  if (!principal) {
    failures.failed(address)
    throw new PlatformError(
      'UNAUTHENTICATED',
      'endpoints need a bearer token from outside; an owner makes one with gyre user token NAME',
    )
  }
  if (!can(principal.role, 'view')) throw new PlatformError('FORBIDDEN', `the role ${principal.role} may not predict`)
}

function callerOf(request: IncomingMessage, { scheme, behindProxy }: FrontOptions): Caller {
  const own = { address: request.socket.remoteAddress ?? '', host: request.headers.host ?? '', scheme }
  if (!behindProxy) return own
  // Each proxy adds at the end, so the last entry is the only one that ours vouches for.
  const address =
    String(request.headers['x-forwarded-for'] ?? '')
      .split(',')
      .at(-1)
      ?.trim() || own.address
  const host =
    String(request.headers['x-forwarded-host'] ?? '')
      .split(',')
      .at(-1)
      ?.trim() || own.host
  return { address, host, scheme }
}

function elsewhere(): PlatformError {
  const message = 'the endpoints run in a cluster; gyre endpoint list has their addresses'
  return new PlatformError('ENDPOINT_NOT_FOUND', message)
}

function away(code: 'STACK_NOT_RUNNING' | 'GATEWAY_UNAVAILABLE', who: string): PlatformError {
  return new PlatformError(code, `${who} is being restarted; try again in 1 s`, { retryAfterSeconds: 1 })
}
