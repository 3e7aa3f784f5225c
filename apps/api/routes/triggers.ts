import type { ZodTypeProvider } from 'fastify-type-provider-zod'
import { z } from 'zod'
import { SIGNATURE_HEADER } from '#core/notify'
import { sha256Hex } from '#core/storage'
import { triggerFire, triggerView } from '../schemas.ts'
import type { Api, RouteContext } from '../server.ts'

const segment = z.string().min(1).max(64)
const place = z.object({ name: segment, trigger: segment })
const accepted = { 202: z.object({ pipeline: z.string(), trigger: z.string() }) }

/** What starts runs without a person, and the address that webhooks call. */
export function triggerRoutes(server: Api, { ports: { triggers } }: RouteContext): void {
  server.get(
    '/api/triggers',
    { config: { permission: 'view' }, schema: { response: { 200: z.array(triggerView).readonly() } } },
    () => triggers.list(),
  )

  server.get(
    '/api/pipelines/:name/triggers/:trigger/fires',
    { config: { permission: 'view' }, schema: { params: place, response: { 200: z.array(triggerFire).readonly() } } },
    ({ params: { name, trigger } }) => triggers.fires(name, trigger),
  )

  for (const verb of ['pause', 'resume', 'fire'] as const)
    server.post(
      `/api/pipelines/:name/triggers/:trigger/${verb}`,
      { config: { permission: 'run' }, schema: { params: place, response: accepted } },
      async ({ params: { name, trigger }, principal }, reply) => {
        await triggers[verb](name, trigger, principal.name)
        return reply.code(202).send({ pipeline: name, trigger })
      },
    )

  server.post(
    '/api/pipelines/:name/triggers/:trigger/backfill',
    {
      config: { permission: 'run' },
      schema: {
        params: place,
        body: z.object({ from: z.iso.datetime({ offset: true }), to: z.iso.datetime({ offset: true }) }),
        response: accepted,
      },
    },
    async ({ params: { name, trigger }, body, principal }, reply) => {
      const span = { from: new Date(body.from), to: new Date(body.to), by: principal.name }
      await triggers.backfill(name, trigger, span)
      return reply.code(202).send({ pipeline: name, trigger })
    },
  )

  server.post(
    '/api/pipelines/:name/triggers/:trigger/secret',
    {
      config: { permission: 'administer' },
      schema: { params: place, response: { 201: z.object({ address: z.string(), secret: z.string() }) } },
    },
    async ({ params: { name, trigger }, principal }, reply) => {
      const secret = await triggers.newSecret(name, trigger, principal.name)
      return reply.code(201).send({ address: `/api/hooks/${name}/${trigger}`, secret })
    },
  )
  hookRoute(server, triggers)
}

/** What is signed are the bytes, so that they are taken as they come. */
function hookRoute(server: Api, triggers: RouteContext['ports']['triggers']): void {
  void server.register(async (scope) => {
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
    scope.withTypeProvider<ZodTypeProvider>().post(
      '/api/hooks/:name/:trigger',
      {
        config: { permission: 'public' },
        schema: {
          params: place,
          headers: z.object({
            [SIGNATURE_HEADER]: z.string().max(200).optional(),
            'x-gyre-delivery': z
              .string()
              .regex(/^[\w.:-]{1,100}$/, 'must be letters, digits, and . : - _, at most 100')
              .optional(),
          }),
          response: { 202: z.object({ delivery: z.string() }) },
        },
      },
      async (request, reply) => {
        const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0)
        const { [SIGNATURE_HEADER]: signature, 'x-gyre-delivery': named } = request.headers
        const id = named ?? sha256Hex(Buffer.from(signature ?? '')).slice(0, 16)
        const { name, trigger } = request.params
        await triggers.deliver(name, trigger, { id, signature, body, params: paramsIn(body) })
        return reply.code(202).send({ delivery: id })
      },
    )
  })
}

const withParams = z.object({ params: z.record(z.string(), z.unknown()).default({}) })

/** Senders that are not ours have bodies of their own: what has no `params` brings none. */
function paramsIn(body: Buffer): Readonly<Record<string, unknown>> {
  try {
    return withParams.parse(JSON.parse(body.toString('utf8'))).params
  } catch {
    return {}
  }
}
