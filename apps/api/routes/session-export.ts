import { Readable } from 'node:stream'
import { z } from 'zod'
import { inBlocks, LABEL_FORMATS } from '#core/interop'
import { byId } from '../schemas.ts'
import { SANDBOX_POLICY } from '../security.ts'
import type { Api, RouteContext } from '../server.ts'

/** Labels of a session at any time, for other tools. */
export function sessionExportRoutes(server: Api, { ports: { sessions } }: RouteContext): void {
  server.get(
    '/api/sessions/:id/export',
    {
      config: { permission: 'view' },
      schema: {
        params: byId,
        querystring: z.object({
          format: z.enum(LABEL_FORMATS).default('csv'),
          imageBase: z
            .string()
            .max(2_000)
            .optional()
            .describe("Before each image's name, so that the other tool finds it"),
        }),
      },
    },
    async (request, reply) => {
      const { contentType, fileName, text } = await sessions.export(request.params.id, request.query)
      return reply
        .type(contentType)
        .header('content-disposition', `attachment; filename="${fileName}"`)
        .header('content-security-policy', SANDBOX_POLICY)
        .send(Readable.from(inBlocks(text()), { objectMode: false }))
    },
  )
}
