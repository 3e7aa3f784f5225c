import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import { TOKEN_USES } from '#core/identity'
import { principal, role } from '../schemas.ts'
import type { Api, RouteContext } from '../server.ts'

const DAY_MS = 86_400_000

const person = z.object({ name: z.string().min(1).max(64) })
const invitation = principal.extend({ code: z.string(), link: z.string() })
const tokenFacts = z.object({
  id: z.string(),
  use: z.enum(TOKEN_USES),
  label: z.string(),
  createdAt: z.string(),
  expiresAt: z.string(),
})

/** People: who they are, what they may do, how they get in. */
export function peopleRoutes(server: Api, { ports: { people }, settings }: RouteContext): void {
  const config = { permission: 'administer' } as const
  const linkOf = (request: FastifyRequest, code: string) =>
    `${settings.pageUrl ?? `${request.protocol}://${request.host}`}/login?code=${encodeURIComponent(code)}`

  server.get('/api/users', { config, schema: { response: { 200: z.array(principal).readonly() } } }, () =>
    people.list(),
  )

  server.post(
    '/api/users',
    { config, schema: { body: person.extend({ role }), response: { 201: invitation } } },
    async (request, reply) => {
      const { code } = await people.invite(request.body.name, request.body.role, request.principal.name)
      return reply.code(201).send({ ...request.body, code, link: linkOf(request, code) })
    },
  )

  server.post(
    '/api/users/:name/link',
    { config, schema: { params: person, response: { 201: invitation.omit({ role: true }) } } },
    async (request, reply) => {
      const { name } = request.params
      const { code } = await people.link(name)
      return reply.code(201).send({ name, code, link: linkOf(request, code) })
    },
  )

  server.put(
    '/api/users/:name/role',
    { config, schema: { params: person, body: z.object({ role }), response: { 200: principal } } },
    (request) => people.setRole(request.params.name, request.body.role, request.principal.name),
  )

  server.delete('/api/users/:name', { config, schema: { params: person } }, async (request, reply) => {
    await people.remove(request.params.name, request.principal.name)
    return reply.code(204).send()
  })

  server.get(
    '/api/users/:name/tokens',
    { config, schema: { params: person, response: { 200: z.array(tokenFacts).readonly() } } },
    (request) => people.tokens(request.params.name),
  )

  server.post(
    '/api/users/:name/tokens',
    {
      config,
      schema: {
        params: person,
        body: z.object({
          use: z.enum(['api', 'endpoints']),
          label: z.string().max(100).default(''),
          days: z.number().positive().max(3_650).default(365),
        }),
        response: { 201: tokenFacts.extend({ token: z.string() }) },
      },
    },
    async (request, reply) => {
      const { use, label, days } = request.body
      const made = await people.createToken(request.params.name, { use, label, lifetimeMs: days * DAY_MS })
      return reply.code(201).send(made)
    },
  )

  server.delete(
    '/api/users/:name/tokens/:id',
    { config, schema: { params: person.extend({ id: z.string().min(1).max(64) }) } },
    async (request, reply) => {
      await people.endToken(request.params.name, request.params.id)
      return reply.code(204).send()
    },
  )
}
