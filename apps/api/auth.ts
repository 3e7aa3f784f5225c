/** Who is calling: a bearer token (scripts, the command line) or the cookie that a one-time link leaves in a browser. */

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { PlatformError } from '#core/errors'
import { html, htmlDocument } from '#core/html'
import { ACTIONS, type Action } from '#core/identity'
import type { IdentityPort } from './ports.ts'
import type { Principal } from './schemas.ts'
import { assertSameOrigin, FORM_POLICY } from './security.ts'
import type { Api, RouteContext } from './server.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What the caller's role must allow; `public` needs no login. Every route of the API names one. */
    permission?: Action | 'public'
    /** Origins of other pages that may call it with a person's cookie, beside our own. */
    callers?: readonly string[]
    /** Told in the audit log although the permission alone would not make it so. */
    audited?: boolean
  }
  interface FastifyInstance {
    /** Every route, as `GET /api/runs`, with what it needs. */
    readonly rules: ReadonlyMap<string, Action | 'public'>
  }
  interface FastifyRequest {
    /** Set on every route that is not public. */
    principal: Principal
  }
}

const COOKIE_DAYS = 30

/**
 * Cookies ignore ports, and two stacks may run on one machine: each has a cookie of its own. Under TLS the name makes
 * browsers refuse one that another host of the domain, or a page without TLS, tries to set.
 */
function cookieName(request: FastifyRequest): string {
  const port = /:(\d+)$/.exec(request.headers.host ?? '')?.[1]
  const prefix = request.protocol === 'https' ? '__Host-gyre' : 'gyre'
  return port ? `${prefix}-${port}` : prefix
}

/** Checks each API call before its body is read. Routes without a permission are a programming error. */
export function requireLogin(server: FastifyInstance, identity: IdentityPort): void {
  server.decorateRequest('principal')
  const rules = new Map<string, Action | 'public'>()
  server.decorate('rules', rules)
  server.addHook('onRoute', ({ method, url, config }) => {
    if (url.startsWith('/api/') && !config?.permission) throw new Error(`${String(method)} ${url} names no permission`)
    for (const one of [method].flat()) rules.set(`${one} ${url}`, config?.permission ?? 'public')
  })
  server.addHook('onRequest', async (request) => {
    const permission = request.routeOptions.config.permission
    if (!permission || permission === 'public') return
    request.principal = await principalOf(request, identity)
    requirePermission(identity, request.principal, permission)
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
  if (!bearerOf(request)) assertSameOrigin(request, request.routeOptions.config.callers)
  return principal
}

function tokenOf(request: FastifyRequest): string | undefined {
  return bearerOf(request) ?? request.cookies[cookieName(request)]
}

function bearerOf(request: FastifyRequest): string | undefined {
  return /^Bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1]
}

/**
 * `GET /login?code=…` spends the one-time code, leaves the cookie and goes to the pages. On a server of a team it asks
 * first: links travel through chats and mails there, whose programs open them to look what they are.
 */
export function loginRoutes(server: Api, { ports: { identity }, settings, limits }: RouteContext): void {
  const { pageUrl = null, sessionMs = COOKIE_DAYS * 86_400_000, audit } = settings
  const logIn = async (code: string, request: FastifyRequest, reply: FastifyReply) => {
    const login = await identity.redeem(code)
    audit?.({
      event: 'login',
      by: login?.principal.name ?? null,
      address: request.ip,
      status: login ? 303 : 401,
    })
    // A spent link is what a person meets who opens it twice: the pages explain it, and let in whoever is logged in.
    if (!login) return reply.redirect('/welcome?link=spent', 303)
    setCookie(request, reply, login.token, Math.floor(sessionMs / 1_000))
    return reply.redirect('/', 303)
  }
  const route = {
    config: { permission: 'public', rateLimit: { max: limits.loginsPerMinute, timeWindow: '1 minute' } },
    schema: { hide: true, querystring: z.object({ code: z.string().min(1).max(256) }) },
  } as const
  server.get('/login', route, async (request, reply) => {
    if (pageUrl === null) return logIn(request.query.code, request, reply)
    // Without a referrer policy of its own, the browser would not name our origin when the form is sent.
    return reply
      .type('text/html; charset=utf-8')
      .headers({ 'referrer-policy': 'same-origin', 'content-security-policy': FORM_POLICY })
      .send(welcomePage(pageUrl))
  })
  void server.register(async (scope) => {
    scope.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_request, _body, done) =>
      done(null, undefined),
    )
    scope.withTypeProvider<ZodTypeProvider>().post('/login', route, async (request, reply) => {
      assertSameOrigin(request)
      return logIn(request.query.code, request, reply)
    })
  })
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
    audit?.({ event: 'logout', by: request.principal.name, address: request.ip, status: 204 })
    return reply.code(204).send()
  })
}

/** The form has no address of its own, so that it goes to the one with the code. */
function welcomePage(pageUrl: string): string {
  const body = html`<form method="post"><button>Log in</button></form>
    <p class="quiet">The link works once. It lets this browser in.</p>`
  return htmlDocument({
    title: 'Gyre',
    subtitle: `You are invited to ${new URL(pageUrl).host}.`,
    body,
    style: 'button { font: inherit; padding: 8px 24px; margin: 8px 0 16px; cursor: pointer; }',
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
