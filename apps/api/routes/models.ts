import { z } from 'zod'
import { byName, modelDetail, modelSummary } from '../schemas.ts'
import type { Api, RouteContext } from '../server.ts'

/** The registry: models, their versions, and which of them is called what. */
export function modelRoutes(server: Api, { ports: { models } }: RouteContext): void {
  server.get(
    '/api/models',
    { config: { permission: 'view' }, schema: { response: { 200: z.array(modelSummary).readonly() } } },
    () => models.list(),
  )

  server.get(
    '/api/models/:name',
    { config: { permission: 'view' }, schema: { params: byName, response: { 200: modelDetail } } },
    (request) => models.show(request.params.name),
  )

  server.post(
    '/api/models/:name/aliases',
    {
      config: { permission: 'publish' },
      schema: {
        params: byName,
        body: z.object({ alias: z.string().min(1).max(40), version: z.int().positive() }),
        response: { 200: modelDetail },
      },
    },
    async (request) => {
      const { alias, version } = request.body
      await models.setAlias(request.params.name, alias, version, request.principal.name)
      return models.show(request.params.name)
    },
  )
}
