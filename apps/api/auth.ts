/** Who is calling: a bearer token (scripts, the command line) or the cookie that a one-time link leaves in a browser. */

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { PlatformError } from '#core/errors'
import { ACTIONS, type Action } from '#core/identity'
import type { IdentityPort } from './ports.ts'
import type { Principal } from './schemas.ts'
import { assertSameOrigin } from './security.ts'
import type { Api } from './server.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What the caller's role must allow; `public` needs no login. Every route of the API names one. */
    permission?: Action | 'public'
  }
  interface FastifyRequest {
    /** Set on every route that is not public. */
    principal: Principal
  }
}

const COOKIE_DAYS = 30

/** Cookies ignore ports, and two stacks may run on one machine: each has a cookie of its own. */
function cookieName(request: FastifyRequest): string {
  const port = /:(\d+)$/.exec(request.headers.host ?? '')?.[1]
  return port ? `gyre-${port}` : 'gyre'
}

/** Checks each API call before its body is read. Routes without a permission are a programming error. */
export function requireLogin(server: FastifyInstance, identity: IdentityPort): void {
  server.decorateRequest('principal')
  server.addHook('onRoute', (route) => {
    if (route.url.startsWith('/api/') && !route.config?.permission)
      throw new Error(`${String(route.method)} ${route.url} names no permission`)
  })
  server.addHook('onRequest', async (request) => {
    const permission = request.routeOptions.config.permission
    if (!permission || permission === 'public') return
    const principal = await principalOf(request, identity)
    requirePermission(identity, principal, permission)
    request.principal = principal
  })
}

/** @throws {PlatformError} `FORBIDDEN`. */
export function requirePermission(identity: IdentityPort, principal: Principal, permission: Action): void {
  if (identity.allows(principal, permission)) return
  throw new PlatformError(
    'FORBIDDEN',
    `the role ${principal.role} of ${principal.name} does not allow "${permission}"; ask an owner for another role`,
    { role: principal.role, permission },
  )
}

async function principalOf(request: FastifyRequest, identity: IdentityPort): Promise<Principal> {
  const token = tokenOf(request)
  const principal = token ? await identity.authenticate(token) : null
  if (!principal)
    throw new PlatformError('UNAUTHENTICATED', 'the call carries no valid login; open the one-time link again')
  if (!bearerOf(request)) assertSameOrigin(request)
  return principal
}

function tokenOf(request: FastifyRequest): string | undefined {
  return bearerOf(request) ?? request.cookies[cookieName(request)]
}

function bearerOf(request: FastifyRequest): string | undefined {
  return /^Bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1]
}

/** `GET /login?code=…` spends the one-time code, leaves the cookie and goes to the pages. */
export function loginRoutes(server: Api, identity: IdentityPort, loginsPerMinute: number): void {
  server.get(
    '/login',
    {
      config: { permission: 'public', rateLimit: { max: loginsPerMinute, timeWindow: '1 minute' } },
      schema: { hide: true, querystring: z.object({ code: z.string().min(1).max(256) }) },
    },
    async (request, reply) => {
      const login = await identity.redeem(request.query.code)
      // A spent link is what a person meets who opens it twice: the pages explain it, and let in whoever is logged in.
      if (!login) return reply.redirect('/welcome?link=spent', 303)
      setCookie(request, reply, login.token, COOKIE_DAYS * 86_400)
      return reply.redirect('/', 303)
    },
  )
  server.get(
    '/api/me',
    {
      config: { permission: 'view' },
      schema: {
        response: { 200: z.object({ name: z.string(), role: z.string(), permissions: z.array(z.string()) }) },
      },
    },
    async ({ principal }) => ({
      ...principal,
      permissions: ACTIONS.filter((action) => identity.allows(principal, action)),
    }),
  )
  server.post('/api/logout', { config: { permission: 'view' } }, async (request, reply) => {
    const token = tokenOf(request)
    if (token) await identity.revoke(token)
    setCookie(request, reply, '', 0)
    return reply.code(204).send()
  })
}

function setCookie(request: FastifyRequest, reply: FastifyReply, token: string, maxAge: number): void {
  void reply.setCookie(cookieName(request), token, {
    httpOnly: true,
    sameSite: 'strict',
    secure: request.protocol === 'https',
    path: '/',
    maxAge,
  })
}
