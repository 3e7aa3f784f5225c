import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { readForm } from '#core/approvals'
import { isPlatformError } from '#core/errors'
import { answeredPage, approvalPage, spentPage } from '../approval-page.ts'
import { byId, waitingApproval } from '../schemas.ts'
import { assertSameOrigin, FORM_POLICY } from '../security.ts'
import type { Api, RouteContext } from '../server.ts'

const oneStep = byId.extend({ node: z.string().min(1).max(128) })
const given = z.object({
  approved: z.boolean(),
  why: z.string().max(2_000).default(''),
  form: z.record(z.string(), z.unknown()).optional(),
})
const byToken = z.object({ token: z.string().min(1).max(128) })

/** What waits for people, and their answers: with a login, or by a one-time link. */
export function approvalRoutes(server: Api, context: RouteContext): void {
  const { ports, settings } = context
  server.get(
    '/api/approvals',
    { config: { permission: 'view' }, schema: { response: { 200: z.array(waitingApproval).readonly() } } },
    (request) => ports.approvals.list(request.principal),
  )

  // Steps name the people whom they ask, so that the right is looked at where the question is known.
  server.post(
    '/api/runs/:id/approvals/:node',
    {
      config: { permission: 'view', audited: true },
      schema: { params: oneStep, body: given, response: { 202: z.object({ id: z.string() }) } },
    },
    async (request, reply) => {
      const { id, node } = request.params
      await ports.approvals.answer(id, node, request.principal, request.body)
      return reply.code(202).send({ id })
    },
  )

  server.post(
    '/api/runs/:id/approvals/:node/links',
    {
      config: { permission: 'administer' },
      schema: {
        params: oneStep,
        body: z.object({ person: z.string().min(1).max(64) }),
        response: { 201: z.object({ person: z.string(), link: z.string(), expiresAt: z.string() }) },
      },
    },
    async (request, reply) => {
      const { id, node } = request.params
      const { person } = request.body
      const { token, expiresAt } = await ports.approvals.createLink(id, node, person, request.principal.name)
      const origin = settings.pageUrl ?? `${request.protocol}://${request.host}`
      return reply.code(201).send({ person, link: `${origin}/approve?token=${encodeURIComponent(token)}`, expiresAt })
    },
  )
  linkRoutes(server, context)
}

/**
 * The page behind a one-time link. Programs of chats and mails open links to look what they are: opening changes nothing,
 * and its form says so by the method.
 */
function linkRoutes(server: Api, { ports: { approvals }, settings: { audit }, limits }: RouteContext): void {
  const route = {
    config: { permission: 'public', rateLimit: { max: limits.loginsPerMinute, timeWindow: '1 minute' } },
    schema: { hide: true, querystring: byToken },
  } as const
  server.get('/approve', route, async (request, reply) => {
    const open = await approvals.open(request.query.token)
    return open ? sendPage(reply, 200, approvalPage(open)) : sendPage(reply, 404, spentPage())
  })
  void server.register(async (scope) => {
    scope.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_request, body, done) =>
      done(null, Object.fromEntries(new URLSearchParams(String(body)))),
    )
    scope
      .withTypeProvider<ZodTypeProvider>()
      .post(
        '/approve',
        { ...route, schema: { ...route.schema, body: z.record(z.string(), z.string()) } },
        async (request, reply) => {
          assertSameOrigin(request)
          const open = await approvals.open(request.query.token)
          if (!open) return sendPage(reply, 404, spentPage())
          const { decision, why = '', ...texts } = request.body
          const approved = decision === 'approve'
          const { form: schema, run } = open.question
          try {
            const form = schema && approved ? readForm(schema, fieldsIn(texts)) : undefined
            await approvals.answerByLink(request.query.token, { approved, why, form })
          } catch (error) {
            if (!isPlatformError(error) || error.code !== 'INVALID_INPUT') throw error
            return sendPage(reply, 422, approvalPage(open, { trouble: error.message, why, texts: fieldsIn(texts) }))
          }
          tellAudit(request, { by: open.person.name, run, approved })
          return sendPage(reply, 200, answeredPage(open.question, approved))
        },
      )
  })

  function tellAudit(request: FastifyRequest, { by, ...details }: { by: string; run: string; approved: boolean }) {
    audit?.({ event: 'POST /approve', by, address: request.ip, status: 200, details })
  }
}

/** Fields of the form are named `form.…`, apart from our own. */
function fieldsIn(texts: Readonly<Record<string, string>>): Record<string, string> {
  const named = Object.entries(texts).filter(([name]) => name.startsWith('form.'))
  return Object.fromEntries(named.map(([name, text]) => [name.slice('form.'.length), text]))
}

/** Without a referrer policy of its own, the browser would not name our origin when the form is sent. */
function sendPage(reply: FastifyReply, status: number, page: string): FastifyReply {
  return reply
    .code(status)
    .type('text/html; charset=utf-8')
    .headers({ 'referrer-policy': 'same-origin', 'content-security-policy': FORM_POLICY })
    .send(page)
}
