import { z } from 'zod'
import { PlatformError } from '#core/errors'
import { byName, endpointView } from '../schemas.ts'
import type { Api, RouteContext } from '../server.ts'

/** Endpoints as they are, and one image through a live one (the pages may not call other addresses themselves). */
export function endpointRoutes(server: Api, { ports: { endpoints }, limits }: RouteContext): void {
  server.get(
    '/api/endpoints',
    { config: { permission: 'view' }, schema: { response: { 200: z.array(endpointView).readonly() } } },
    () => endpoints.list(),
  )

  server.post(
    '/api/endpoints/:name/predict',
    {
      config: { permission: 'view' },
      bodyLimit: limits.uploadFileBytes,
      schema: {
        params: byName,
        response: { 200: z.array(z.object({ class: z.string(), score: z.number() })).readonly() },
      },
    },
    async (request) => {
      if (!Buffer.isBuffer(request.body) || request.body.length === 0)
        throw new PlatformError('INVALID_INPUT', 'body: send the bytes of one image, with its content type')
      return endpoints.predict(request.params.name, request.body)
    },
  )
}
