import { z } from 'zod'
import {
  byName,
  findingAction,
  healthCheck,
  healthView,
  migratedView,
  newSchema,
  schemaMigration,
  schemaView,
} from '../schemas.ts'
import type { Api, RouteContext } from '../server.ts'

const ref = z.string().min(1).max(128)
const changed = z.object({ version: z.string(), images: z.number() })

/** The health of datasets, what is done about it, and what their labels may say. */
export function datasetHealthRoutes(server: Api, { ports: { health } }: RouteContext): void {
  server.get(
    '/api/datasets/:name/health',
    {
      config: { permission: 'view' },
      schema: {
        params: byName,
        querystring: z.object({ ref: ref.default('latest'), against: ref.optional() }),
        response: { 200: healthView },
      },
    },
    (request) => health.report(request.params.name, request.query),
  )

  server.post(
    '/api/datasets/:name/health',
    {
      config: { permission: 'run' },
      schema: { params: byName, body: healthCheck, response: { 202: z.object({ run: z.string() }) } },
    },
    async (request, reply) =>
      reply.code(202).send(await health.check(request.params.name, request.body, request.principal.name)),
  )

  server.post(
    '/api/datasets/:name/health/actions',
    { config: { permission: 'annotate' }, schema: { params: byName, body: findingAction, response: { 200: changed } } },
    (request) => health.act(request.params.name, request.body, request.principal.name),
  )

  server.get(
    '/api/datasets/:name/schema',
    {
      config: { permission: 'view' },
      schema: { params: byName, querystring: z.object({ ref: ref.default('latest') }), response: { 200: schemaView } },
    },
    (request) => health.schema(request.params.name, request.query.ref),
  )

  server.put(
    '/api/datasets/:name/schema',
    {
      config: { permission: 'annotate' },
      schema: { params: byName, body: newSchema, response: { 200: z.object({ version: z.string() }) } },
    },
    (request) => health.setSchema(request.params.name, request.body, request.principal.name),
  )

  server.post(
    '/api/datasets/:name/schema/migrations',
    {
      config: { permission: 'annotate' },
      schema: { params: byName, body: schemaMigration, response: { 200: migratedView } },
    },
    (request) => health.migrate(request.params.name, request.body, request.principal.name),
  )
}
