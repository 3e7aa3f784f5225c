import { randomBytes } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { ImageDrop } from '#core/batch'
import { PlatformError } from '#core/errors'
import { requirePermission } from '../auth.ts'
import { BATCH_PIPELINE, type BatchFormat } from '../ports.ts'
import { batchView, byId, type Principal } from '../schemas.ts'
import { SANDBOX_POLICY } from '../security.ts'
import type { Api, RouteContext } from '../server.ts'
import { receiveUpload } from '../uploads.ts'

/** Three quarters of it are the bundle's bytes. */
const BODY_BYTES = 8 * 2 ** 20

const request = z
  .object({
    model: z.string().min(1).max(100).optional(),
    algorithm: z
      .object({
        bundle: z.base64().describe('The algorithm file with all it imports, as one ES module'),
        params: z.record(z.string(), z.unknown()).default({}),
      })
      .strict()
      .optional(),
    source: z.string().min(1).optional(),
    dataset: z.string().min(1).optional(),
  })
  .strict()
  .refine(({ source, dataset }) => (source === undefined) !== (dataset === undefined), {
    message: 'give either source (a folder on the server) or dataset',
  })
  .refine(({ model, algorithm }) => (model === undefined) !== (algorithm === undefined), {
    message: 'give either model or algorithm',
  })

const RESULTS: Record<BatchFormat, { type: string; attachment: boolean }> = {
  'results.csv': { type: 'text/csv; charset=utf-8', attachment: true },
  'results.json': { type: 'application/json', attachment: false },
  'gallery.html': { type: 'text/html; charset=utf-8', attachment: false },
}

/** Self-service tasks: a model over dropped images, a folder or a dataset. */
export function batchRoutes(
  server: Api,
  { ports: { batches, engine, identity }, settings, limits }: RouteContext,
): void {
  const receive = async (call: FastifyRequest, drop: ImageDrop | null): Promise<z.infer<typeof request>> => {
    if (!drop) return parse(call.body)
    const fields = await receiveUpload(call.parts(), {
      drop,
      scratchDir: settings.uploadsDir,
      limits: { fileBytes: limits.uploadFileBytes, totalBytes: limits.uploadTotalBytes },
    })
    return parse({ model: fields.model, source: drop.source })
  }

  /** The bundle moves into the store, so that the run needs nothing of the caller's later. Only workers evaluate it. */
  const paramsOf = async ({ algorithm, ...others }: z.infer<typeof request>, principal: Principal) => {
    if (!algorithm) return others
    requirePermission(identity, principal, 'code')
    const bundle = await batches.keepBundle(Buffer.from(algorithm.bundle, 'base64'))
    return { ...others, algorithm: { bundle, params: algorithm.params } }
  }

  server.post(
    '/api/batches',
    {
      bodyLimit: BODY_BYTES,
      config: { permission: 'run' },
      schema: {
        consumes: ['multipart/form-data', 'application/json'],
        response: { 201: z.object({ id: z.string() }) },
      },
    },
    async (call, reply) => {
      const runId = `${BATCH_PIPELINE}-${Date.now().toString(36)}-${randomBytes(3).toString('hex')}`
      const drop = call.isMultipart() ? await batches.drop(runId) : null
      try {
        const params = await paramsOf(await receive(call, drop), call.principal)
        const started = await engine.start(BATCH_PIPELINE, params, { by: call.principal.name, runId })
        return reply.code(201).send(started)
      } catch (error) {
        // A task that did not start needs no images.
        await drop?.discard()
        throw error
      }
    },
  )

  server.get(
    '/api/batches',
    { config: { permission: 'view' }, schema: { response: { 200: z.array(batchView).readonly() } } },
    () => batches.list(),
  )

  server.get(
    '/api/batches/:id',
    { config: { permission: 'view' }, schema: { params: byId, response: { 200: batchView } } },
    (call) => batches.show(call.params.id),
  )

  for (const [format, { type, attachment }] of Object.entries(RESULTS) as [
    BatchFormat,
    (typeof RESULTS)[BatchFormat],
  ][])
    server.get(
      `/api/batches/:id/${format}`,
      { config: { permission: 'view' }, schema: { params: byId } },
      async (call, reply) => {
        const bytes = await batches.results(call.params.id, format)
        if (attachment) reply.header('content-disposition', `attachment; filename="${format}"`)
        return reply.type(type).header('content-security-policy', SANDBOX_POLICY).send(bytes)
      },
    )
}

function parse(body: unknown): z.infer<typeof request> {
  const parsed = request.safeParse(body)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const at = ['body', ...(issue?.path ?? [])].join('.')
  throw new PlatformError('INVALID_INPUT', `${at}: ${issue?.message ?? 'invalid'}`, { path: at })
}
