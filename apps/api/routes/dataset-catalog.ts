import { z } from 'zod'
import { byName, byView, catalogPage, facetPage, imageChange, savedView } from '../schemas.ts'
import type { Api, RouteContext } from '../server.ts'

const condition = z.string().max(4_000).optional()
const ref = z.string().min(1).max(128).default('latest')
/** Row numbers are 32 bits. */
const MOST_ROWS = 2 ** 31 - 1
const rowNumber = z.number().int().min(0).max(MOST_ROWS)
/** A person's selection by hand; whoever means more gives a condition. */
const CHANGE_BYTES = 8 * 2 ** 20

/** The images of a version as a table that people page through, filter and act on. */
export function datasetCatalogRoutes(server: Api, { ports }: RouteContext): void {
  const { catalog } = ports

  server.get(
    '/api/datasets/:name/rows',
    {
      config: { permission: 'view' },
      schema: {
        params: byName,
        querystring: z.object({
          ref,
          where: condition,
          order: z.string().max(200).optional(),
          from: z.coerce.number().int().min(0).max(MOST_ROWS).default(0),
          count: z.coerce.number().int().min(0).max(500).default(100),
        }),
        response: { 200: catalogPage },
      },
    },
    (request) => catalog.rows(request.params.name, request.query),
  )

  server.get(
    '/api/datasets/:name/facets',
    {
      config: { permission: 'view' },
      schema: { params: byName, querystring: z.object({ ref, where: condition }), response: { 200: facetPage } },
    },
    (request) => catalog.facets(request.params.name, request.query),
  )

  server.get(
    '/api/datasets/:name/codes',
    {
      config: { permission: 'view' },
      schema: { params: byName, querystring: z.object({ ref, column: z.string().max(60) }) },
    },
    async (request, reply) => {
      const { values, codes } = await catalog.codes(request.params.name, request.query)
      const list = Buffer.from(JSON.stringify(values))
      const length = Buffer.alloc(4)
      length.writeUInt32LE(list.length)
      return reply.type('application/octet-stream').send(Buffer.concat([length, list, codes]))
    },
  )

  server.post(
    '/api/datasets/:name/digests',
    {
      config: { permission: 'view' },
      bodyLimit: CHANGE_BYTES,
      schema: {
        params: byName,
        body: z.object({ version: z.string().min(1).max(128), rows: z.array(rowNumber).max(100_000) }),
        response: { 200: z.object({ digests: z.array(z.string()).readonly() }) },
      },
    },
    async (request) => ({ digests: await catalog.digests(request.params.name, request.body) }),
  )

  server.get(
    '/api/datasets/:name/views',
    { config: { permission: 'view' }, schema: { params: byName, response: { 200: z.array(savedView).readonly() } } },
    (request) => catalog.views(request.params.name),
  )

  server.get(
    '/api/datasets/:name/views/:view',
    { config: { permission: 'view' }, schema: { params: byView, response: { 200: savedView } } },
    (request) => catalog.view(request.params.name, request.params.view),
  )

  server.put(
    '/api/datasets/:name/views/:view',
    {
      config: { permission: 'annotate' },
      schema: {
        params: byView,
        body: z.object({ where: z.string().max(4_000), note: z.string().max(1_000).default('') }),
        response: { 200: savedView },
      },
    },
    async (request) => {
      const { name, view } = request.params
      await catalog.saveView(name, { name: view, ...request.body }, request.principal.name)
      return catalog.view(name, view)
    },
  )

  server.delete(
    '/api/datasets/:name/views/:view',
    { config: { permission: 'annotate' }, schema: { params: byView } },
    async (request, reply) => {
      await catalog.removeView(request.params.name, request.params.view, request.principal.name)
      return reply.code(204).send()
    },
  )

  server.post(
    '/api/datasets/:name/changes',
    {
      config: { permission: 'annotate' },
      bodyLimit: CHANGE_BYTES,
      schema: {
        params: byName,
        body: imageChange,
        response: { 200: z.object({ version: z.string(), images: z.number() }) },
      },
    },
    (request) => catalog.change(request.params.name, request.body, request.principal.name),
  )
}
