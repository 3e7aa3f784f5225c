/**
 * Keeps a browser from being turned against the person who uses it: pages on other sites cannot call the API with the
 * person's cookie, a hostile name that resolves to loopback reaches nothing, and stored files never run as scripts.
 *
 * Three independent checks: the Host header must be one of ours (DNS rebinding), a call that carries the cookie and
 * changes something must come from our own origin (CSRF, beside SameSite=Strict), and every answer has a content policy.
 */

import { randomBytes } from 'node:crypto'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { PlatformError } from '#core/errors'

const LOOPBACK = new Set(['localhost', '127.0.0.1', '[::1]'])
/** For so long a browser that was here once calls this host over TLS alone. */
const HTTPS_SECONDS = 180 * 86_400
const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS'])

/** For stored bytes and reports: nothing runs, nothing is loaded, styles and embedded pictures excepted. */
export const SANDBOX_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"

/** For a page of one form and nothing else. */
export const FORM_POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

const pagePolicy = (nonce: string) =>
  [
    "default-src 'self'",
    "script-src 'self'",
    `style-src 'self' 'nonce-${nonce}'`,
    "img-src 'self' data: blob:",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
  ].join('; ')

export function newNonce(): string {
  return randomBytes(16).toString('base64url')
}

/** Refuses foreign hosts, and puts the headers on every answer. A route may set its own content policy before. */
export function guardBrowser(server: FastifyInstance, hosts: readonly string[]): void {
  const known = new Set([...LOOPBACK, ...hosts.map((host) => host.toLowerCase())])
  server.addHook('onRequest', async (request) => {
    const host = hostName(request.headers.host)
    if (!known.has(host))
      throw new PlatformError(
        'CROSS_SITE_REFUSED',
        `the host "${host}" is not one of this server; open it as http://127.0.0.1, or name the host with --host`,
        { host },
      )
  })
  server.addHook('onSend', async (request, reply) => {
    if (!reply.hasHeader('content-security-policy')) reply.header('content-security-policy', pagePolicy(nonceOf(reply)))
    reply.headers({
      'x-content-type-options': 'nosniff',
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
    })
    // Reports are shown within our own pages.
    if (!reply.hasHeader('x-frame-options')) reply.header('x-frame-options', 'DENY')
    if (!reply.hasHeader('referrer-policy')) reply.header('referrer-policy', 'no-referrer')
    if (request.protocol === 'https') reply.header('strict-transport-security', `max-age=${HTTPS_SECONDS}`)
    if (!reply.hasHeader('cache-control')) reply.header('cache-control', 'no-store')
  })
}

const nonces = new WeakMap<FastifyReply, string>()

/** The style nonce of this answer, the same for its header and its page. */
export function nonceOf(reply: FastifyReply): string {
  const nonce = nonces.get(reply) ?? newNonce()
  nonces.set(reply, nonce)
  return nonce
}

/** Cookies travel on their own, so a changing call that rests on one must prove that our own page made it. */
export function assertSameOrigin(request: FastifyRequest, others: readonly string[] = []): void {
  if (SAFE_METHODS.has(request.method)) return
  const origin = request.headers.origin
  const known = [`${request.protocol}://${request.headers.host}`, ...others]
  const own = origin !== undefined && known.some((one) => originOf(one) === originOf(origin))
  if (!own)
    throw new PlatformError(
      'CROSS_SITE_REFUSED',
      `a call that changes something must come from our own pages, not from "${origin ?? 'an unnamed origin'}"; scripts send a bearer token`,
      { origin: origin ?? null },
    )
}

/** Scheme, host and port without the default one, as browsers write it; null where it is not an address. */
function originOf(address: string): string | null {
  return URL.canParse(address) ? new URL(address).origin : null
}

/** `[::1]:8080` → `[::1]`; lower case. */
function hostName(header: string | undefined): string {
  return (header ?? '').toLowerCase().replace(/:\d+$/, '')
}
