import { z } from 'zod'
import { PlatformError } from '#core/errors'
import { byName, digest } from '../schemas.ts'
import type { Api, RouteContext } from '../server.ts'

const IMAGE_BYTES = 64 * 2 ** 20

const ref = z.string().min(1).max(128).default('latest')
const count = z.coerce.number().int().min(1).max(500).default(24)
const similar = z.object({ rows: z.array(z.object({ digest, similarity: z.number() })).readonly() })

/** Similar images to one of a dataset or to an uploaded one, the map of a version, and its stream for trainers. */
export function datasetNeighbourRoutes(server: Api, { ports: { neighbours, streams } }: RouteContext): void {
  server.get(
    '/api/datasets/:name/similar',
    {
      config: { permission: 'view' },
      schema: { params: byName, querystring: z.object({ ref, count, digest }), response: { 200: similar } },
    },
    async (request) => ({ rows: await neighbours.toImage(request.params.name, request.query) }),
  )

  server.post(
    '/api/datasets/:name/similar',
    {
      bodyLimit: IMAGE_BYTES,
      config: { permission: 'view' },
      schema: { params: byName, querystring: z.object({ ref, count }), response: { 200: similar } },
    },
    async (request) => {
      if (!Buffer.isBuffer(request.body))
        throw new PlatformError('INVALID_INPUT', 'the body is no image; send the bytes of a file as image/…')
      return { rows: await neighbours.toBytes(request.params.name, request.query, request.body) }
    },
  )

  server.get(
    '/api/datasets/:name/map',
    { config: { permission: 'view' }, schema: { params: byName, querystring: z.object({ ref }) } },
    async (request, reply) => {
      const map = await neighbours.map(request.params.name, request.query.ref)
      const count = Buffer.alloc(4)
      count.writeUInt32LE(map.length / 2)
      const places = Buffer.from(map.buffer, map.byteOffset, map.byteLength)
      return reply.type('application/octet-stream').send(Buffer.concat([count, places]))
    },
  )

  // Whoever has the answer may read the images for a week, without a login.
  server.get(
    '/api/datasets/:name/stream',
    {
      config: { permission: 'run' },
      schema: {
        params: byName,
        querystring: z.object({
          ref,
          split: z.enum(['train', 'test', 'all']).default('train'),
          unlabelled: z.stringbool().default(false),
        }),
        response: { 200: z.unknown() },
      },
    },
    (request) => streams.describe(request.params.name, request.query),
  )
}
