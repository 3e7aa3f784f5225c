import { Readable } from 'node:stream'
import { z } from 'zod'
import { byId, digest, runStatus } from '../schemas.ts'
import { SANDBOX_POLICY } from '../security.ts'
import type { Api, RouteContext } from '../server.ts'
import { contentTypeOf } from '../stored-images.ts'

/** The address holds the digest, so what it answers never changes. */
const IMMUTABLE = 'private, max-age=31536000, immutable'
const PEEK_BYTES = 64 * 2 ** 10
const CHUNK_BYTES = 4 * 2 ** 20

const nodeId = z.string().min(1).max(128)
const byStep = byId.extend({ node: nodeId })
const byBlob = z.object({ sha256: digest })

const logPage = z.object({
  lines: z.array(z.object({ at: z.string(), level: z.string(), text: z.string(), attempt: z.number() })).readonly(),
  next: z.number(),
})

const lineage = z.object({
  by: z.string(),
  cause: z.object({ kind: z.string(), text: z.string(), trigger: z.string() }).nullable(),
  basedOn: z.object({ kind: z.string(), run: z.string(), forced: z.array(z.string()).readonly() }).nullable(),
  derived: z.array(z.object({ id: z.string(), kind: z.string() })).readonly(),
})

const runHead = z.object({
  id: z.string(),
  pipeline: z.string(),
  status: runStatus,
  by: z.string(),
  startedAt: z.string(),
  endedAt: z.string().nullable(),
})
const comparedStep = z.object({
  step: z.string(),
  status: z.string(),
  origin: z.string().nullable(),
  tookMs: z.number().nullable(),
  reason: z.string().nullable(),
})
const comparison = z.object({
  a: runHead,
  b: runHead,
  samePlan: z.boolean(),
  params: z.array(z.object({ name: z.string(), a: z.unknown(), b: z.unknown() })).readonly(),
  steps: z
    .array(
      z.object({
        name: z.string(),
        a: comparedStep.nullable(),
        b: comparedStep.nullable(),
        output: z.enum(['same', 'different', 'open']),
        why: z.array(z.string()).readonly(),
        figures: z.array(z.object({ name: z.string(), a: z.number().nullable(), b: z.number().nullable() })).readonly(),
      }),
    )
    .readonly(),
})

/** What a person looks into: where a run comes from, what its steps said and left, and how two runs differ. */
export function runDetailRoutes(server: Api, { ports: { runDetails, blobs } }: RouteContext): void {
  server.get(
    '/api/runs/:id/lineage',
    { config: { permission: 'view' }, schema: { params: byId, response: { 200: lineage } } },
    (request) => runDetails.lineage(request.params.id),
  )

  server.get(
    '/api/runs/:id/steps/:node/log',
    {
      config: { permission: 'view' },
      schema: {
        params: byStep,
        querystring: z.object({ after: z.coerce.number().int().min(0).default(0) }),
        response: { 200: logPage },
      },
    },
    (request) => runDetails.log(request.params.id, request.params.node, request.query.after),
  )

  server.get(
    '/api/runs/:id/compare/:with',
    {
      config: { permission: 'view' },
      schema: { params: byId.extend({ with: byId.shape.id }), response: { 200: comparison } },
    },
    (request) => runDetails.compare(request.params.id, request.params.with),
  )

  server.get(
    '/api/blobs/:sha256/peek',
    {
      config: { permission: 'view' },
      schema: {
        params: byBlob,
        response: {
          200: z.object({ type: z.string(), sizeBytes: z.number(), text: z.string().nullable(), isWhole: z.boolean() }),
        },
      },
    },
    async (request, reply) => {
      const { sha256 } = request.params
      const sizeBytes = await blobs.sizeBytes(sha256)
      const bytes = await blobs.range(sha256, 0, PEEK_BYTES)
      const isWhole = bytes.byteLength === sizeBytes
      reply.header('cache-control', IMMUTABLE)
      return { type: contentTypeOf(bytes), sizeBytes, text: textIn(bytes, isWhole), isWhole }
    },
  )

  server.get(
    '/api/blobs/:sha256',
    {
      config: { permission: 'view' },
      schema: {
        params: byBlob,
        querystring: z.object({
          name: z
            .string()
            .regex(/^[\w. -]{1,100}$/)
            .optional(),
        }),
      },
    },
    async (request, reply) => {
      const { sha256 } = request.params
      const sizeBytes = await blobs.sizeBytes(sha256)
      const type = contentTypeOf(await blobs.range(sha256, 0, 16))
      const { name } = request.query
      if (!type.startsWith('image/') || name)
        reply.header('content-disposition', `attachment; filename="${name ?? sha256}"`)
      return reply
        .type(type)
        .header('content-length', sizeBytes)
        .header('cache-control', IMMUTABLE)
        .header('content-security-policy', SANDBOX_POLICY)
        .send(Readable.from(chunks(sizeBytes, (offset) => blobs.range(sha256, offset, CHUNK_BYTES))))
    },
  )
}

async function* chunks(sizeBytes: number, read: (offset: number) => Promise<Uint8Array>): AsyncGenerator<Uint8Array> {
  for (let offset = 0; offset < sizeBytes; offset += CHUNK_BYTES) yield await read(offset)
}

/** The bytes as text, whole lines where there are more; null for what is no text. */
function textIn(bytes: Uint8Array, isWhole: boolean): string | null {
  const end = isWhole ? bytes.length : bytes.lastIndexOf(0x0a) + 1 || bytes.length
  try {
    const text = new TextDecoder('utf-8', { fatal: isWhole || end < bytes.length }).decode(bytes.subarray(0, end))
    return /[\0-\x08\x0e-\x1a]/.test(text) ? null : text
  } catch {
    return null
  }
}
