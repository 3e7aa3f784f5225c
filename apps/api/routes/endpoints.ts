import { z } from 'zod'
import { PlatformError } from '#core/errors'
import { requirePermission } from '../auth.ts'
import { REMOVE_PIPELINE, ROLL_OUT_PIPELINE } from '../ports.ts'
import { byName, endpointDetail, endpointView } from '../schemas.ts'
import type { Api, RouteContext } from '../server.ts'

/** Three quarters of it are the bundle's bytes. */
const BODY_BYTES = 8 * 2 ** 20

const started = z.object({ id: z.string().describe('The run that does it') })

const rollOutBody = z
  .object({
    model: z.string().min(1).max(100).describe('name, name@3 or name@champion'),
    algorithm: z
      .object({
        bundle: z.base64().describe('The algorithm file with all it imports, as one ES module'),
        params: z.record(z.string(), z.unknown()).default({}),
      })
      .strict()
      .optional(),
    replicas: z.int().min(1).max(64).optional(),
    queueLimit: z.int().min(1).max(100_000).optional(),
    canaryPercent: z.int().min(1).max(99).optional().describe('Share of the requests at first; all where left out'),
  })
  .strict()

/**
 * Endpoints as they are, their traffic, and one image through a live one (the pages may not call other addresses
 * themselves). Shares move by the store alone, so that the way back needs neither a worker nor Temporal; what starts or
 * ends replicas is a run.
 */
export function endpointRoutes(server: Api, { ports, limits }: RouteContext): void {
  const { endpoints, engine, identity, batches } = ports
  server.get(
    '/api/endpoints',
    { config: { permission: 'view' }, schema: { response: { 200: z.array(endpointView).readonly() } } },
    () => endpoints.list(),
  )

  server.get(
    '/api/endpoints/:name',
    { config: { permission: 'view' }, schema: { params: byName, response: { 200: endpointDetail } } },
    (request) => endpoints.show(request.params.name),
  )

  server.put(
    '/api/endpoints/:name/traffic',
    {
      config: { permission: 'publish' },
      schema: {
        params: byName,
        body: z.object({ shares: z.record(z.string().regex(/^[1-9]\d{0,8}$/), z.int().min(0).max(100)) }).strict(),
        response: { 200: endpointDetail },
      },
    },
    (request) => endpoints.moveTraffic(request.params.name, request.body.shares, request.principal.name),
  )

  for (const move of ['promote', 'back'] as const)
    server.post(
      `/api/endpoints/:name/${move}`,
      { config: { permission: 'publish' }, schema: { params: byName, response: { 200: endpointDetail } } },
      (request) => endpoints.moveTraffic(request.params.name, move, request.principal.name),
    )

  server.post(
    '/api/endpoints/:name/revisions',
    {
      bodyLimit: BODY_BYTES,
      config: { permission: 'publish' },
      schema: { params: byName, body: rollOutBody, response: { 202: started } },
    },
    async ({ params: { name }, body: { algorithm, ...wish }, principal }, reply) => {
      if (algorithm) requirePermission(identity, principal, 'code')
      const kept = algorithm && {
        bundle: await batches.keepBundle(Buffer.from(algorithm.bundle, 'base64')),
        params: algorithm.params,
      }
      const params = await endpoints.rollOut(name, { ...wish, algorithm: kept })
      return reply.code(202).send(await engine.start(ROLL_OUT_PIPELINE, params, { by: principal.name }))
    },
  )

  server.delete(
    '/api/endpoints/:name',
    { config: { permission: 'publish' }, schema: { params: byName, response: { 202: started } } },
    async ({ params: { name }, principal }, reply) => {
      await endpoints.show(name)
      return reply.code(202).send(await engine.start(REMOVE_PIPELINE, { name }, { by: principal.name }))
    },
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
