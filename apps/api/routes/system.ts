import { z } from 'zod'
import type { Api, RouteContext } from '../server.ts'

/** Health and the API's own description. */
export function systemRoutes(server: Api, { settings }: RouteContext): void {
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
}
