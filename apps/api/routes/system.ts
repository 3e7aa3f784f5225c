import { z } from 'zod'
import { principal, role } from '../schemas.ts'
import type { Api, RouteContext } from '../server.ts'

/** Health, the API's own description, and people. */
export function systemRoutes(server: Api, { ports, settings }: RouteContext): void {
  server.get(
    '/api/health',
    {
      config: { permission: 'public', rateLimit: false },
      schema: {
        response: {
          200: z.object({ status: z.literal('ok'), version: z.string(), temporalUi: z.string().nullable() }),
        },
      },
    },
    async () => ({ status: 'ok' as const, version: settings.version, temporalUi: settings.temporalUi }),
  )

  server.get(
    '/api/openapi.json',
    { config: { permission: 'public' }, schema: { hide: true } },
    async (_request, reply) => reply.type('application/json').send(JSON.stringify(server.swagger())),
  )

  server.get(
    '/api/users',
    { config: { permission: 'administer' }, schema: { response: { 200: z.array(principal).readonly() } } },
    () => ports.identity.users(),
  )

  server.post(
    '/api/users',
    {
      config: { permission: 'administer' },
      schema: {
        body: z.object({ name: z.string().min(1).max(64), role }),
        response: { 201: principal.extend({ code: z.string(), link: z.string() }) },
      },
    },
    async (request, reply) => {
      const { code } = await ports.identity.invite(request.body.name, request.body.role, request.principal.name)
      const link = `${request.protocol}://${request.host}/login?code=${encodeURIComponent(code)}`
      return reply.code(201).send({ ...request.body, code, link })
    },
  )
}
