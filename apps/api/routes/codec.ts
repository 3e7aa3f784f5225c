import type { Payload } from '@temporalio/common'
import { z } from 'zod'
import type { Api, RouteContext } from '../server.ts'

/** Bytes travel as base64, as in Temporal's own JSON. */
const payload = z.object({ metadata: z.record(z.string(), z.base64()).optional(), data: z.base64().optional() })
const payloads = z.object({ payloads: z.array(payload).max(1_000) })

const AT = '/api/codec/decode'
/** A page asks for a screen of history at once. */
const BODY_BYTES = 8 * 2 ** 20

/**
 * Decrypts payloads for Temporal's page, whose server cannot (a "codec server"): for people who are logged in here, and for
 * that page alone.
 */
export function codecRoutes(server: Api, { settings: { codec } }: RouteContext): void {
  if (!codec) return
  const headers = {
    'access-control-allow-origin': codec.origin,
    'access-control-allow-credentials': 'true',
    'access-control-allow-headers': 'content-type, x-namespace, authorization',
    'access-control-allow-methods': 'POST',
    vary: 'origin',
  }
  // On refusals too: else the page could not tell a person why.
  server.addHook('onSend', async (request, reply) => {
    if (request.url === AT) reply.headers(headers)
  })
  server.options(AT, { config: { permission: 'public' }, schema: { hide: true } }, async (_request, reply) =>
    reply.code(204).send(),
  )
  server.post(
    AT,
    {
      bodyLimit: BODY_BYTES,
      config: { permission: 'view', callers: [codec.origin] },
      schema: { hide: true, body: payloads, response: { 200: payloads } },
    },
    async (request) => {
      const decoded = await codec.decode(request.body.payloads.map(fromJson))
      return { payloads: decoded.map(toJson) }
    },
  )
}

function fromJson({ metadata = {}, data }: z.infer<typeof payload>): Payload {
  const bytes = Object.entries(metadata).map(([name, value]) => [name, Buffer.from(value, 'base64')])
  return { metadata: Object.fromEntries(bytes), ...(data !== undefined && { data: Buffer.from(data, 'base64') }) }
}

function toJson({ metadata, data }: Payload): z.infer<typeof payload> {
  const text = Object.entries(metadata ?? {}).map(([name, value]) => [name, Buffer.from(value).toString('base64')])
  return { metadata: Object.fromEntries(text), ...(data && { data: Buffer.from(data).toString('base64') }) }
}
