import { z } from 'zod'
import { byImage, byName, datasetDetail, datasetSummary, digest, imagePage } from '../schemas.ts'
import { SANDBOX_POLICY } from '../security.ts'
import type { Api, RouteContext } from '../server.ts'
import { contentTypeOf, ThumbnailCache } from '../stored-images.ts'

/** The address holds the digest, so what it answers never changes. */
const IMMUTABLE = 'private, max-age=31536000, immutable'

/** Datasets, their images and thumbnails, and stored reports. */
export function datasetRoutes(server: Api, { ports }: RouteContext): void {
  const { datasets } = ports
  const thumbnails = new ThumbnailCache(ports.thumbnail)

  server.get(
    '/api/datasets',
    { config: { permission: 'view' }, schema: { response: { 200: z.array(datasetSummary).readonly() } } },
    () => datasets.list(),
  )

  server.get(
    '/api/datasets/:name',
    {
      config: { permission: 'view' },
      schema: {
        params: byName,
        querystring: z.object({ ref: z.string().min(1).max(128).default('latest') }),
        response: { 200: datasetDetail },
      },
    },
    (request) => datasets.show(request.params.name, request.query.ref),
  )

  server.get(
    '/api/datasets/:name/images',
    {
      config: { permission: 'view' },
      schema: {
        params: byName,
        querystring: z.object({
          cursor: z.string().max(128).optional(),
          limit: z.coerce.number().int().min(1).max(500).default(100),
          label: z.string().max(60).optional(),
          split: z.enum(['train', 'test']).optional(),
          ref: z.string().min(1).max(128).optional(),
        }),
        response: { 200: imagePage },
      },
    },
    (request) => datasets.images(request.params.name, request.query),
  )

  server.get(
    '/api/images/:dataset/:digest',
    { config: { permission: 'view' }, schema: { params: byImage } },
    async (request, reply) => {
      const bytes = await datasets.bytes(request.params.dataset, request.params.digest)
      return reply
        .type(contentTypeOf(bytes))
        .header('cache-control', IMMUTABLE)
        .header('content-security-policy', SANDBOX_POLICY)
        .send(bytes)
    },
  )

  server.get(
    '/api/thumbnails/:dataset/:digest',
    {
      config: { permission: 'view' },
      schema: {
        params: byImage,
        querystring: z.object({ size: z.coerce.number().int().min(16).max(1024).default(128) }),
      },
    },
    async (request, reply) => {
      const { dataset, digest } = request.params
      const webp = await thumbnails.get(`${dataset}/${digest}@${request.query.size}`, request.query.size, () =>
        datasets.bytes(dataset, digest),
      )
      return reply
        .type('image/webp')
        .header('cache-control', IMMUTABLE)
        .header('content-security-policy', SANDBOX_POLICY)
        .send(webp)
    },
  )

  server.get(
    '/api/reports/:sha256',
    { config: { permission: 'view' }, schema: { params: z.object({ sha256: digest }) } },
    async (request, reply) =>
      reply
        .type('text/html; charset=utf-8')
        .header('cache-control', IMMUTABLE)
        .header('content-security-policy', SANDBOX_POLICY)
        .header('x-frame-options', 'SAMEORIGIN')
        .send(await ports.blob(request.params.sha256)),
  )
}
