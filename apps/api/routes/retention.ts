import { z } from 'zod'
import type { DatasetLineage } from '#core/lineage'
import type { Hold, PolicyEntry, RetentionPolicy } from '#core/retention'
import { byName, digest } from '../schemas.ts'
import type { Api, RouteContext } from '../server.ts'

/** How long versions are kept, what is deleted and brought back, and what follows from what. */
export interface RetentionPort {
  policy(name: string): Promise<PolicyEntry>
  setPolicy(name: string, policy: RetentionPolicy, by: string): Promise<PolicyEntry>
  holds(name: string): Promise<readonly Hold[]>
  /** @param ref - a ref or the first digits of a version; null holds all versions. */
  hold(name: string, hold: { name: string; ref: string | null; reason: string }, by: string): Promise<readonly Hold[]>
  release(name: string, hold: string, by: string): Promise<readonly Hold[]>
  trash(name: string): Promise<readonly { version: string; trashedAt: string; goesAt: string }[]>
  undelete(name: string, version: string, by: string): Promise<{ version: string }>
  lineage(name: string, ref: string): Promise<DatasetLineage>
  /** Each starts a run. */
  collect(dryRun: boolean, by: string): Promise<{ run: string }>
  verify(name: string, asked: { ref: string; everyImage: boolean }, by: string): Promise<{ run: string }>
  deleteImage(image: string, reason: string, by: string): Promise<{ run: string }>
}

const bound = z.int().min(1).max(36_500).nullable()
const policy = z.object({ versions: bound, days: bound, runDays: bound })
const policyView = z.object({ policy, by: z.string().nullable(), at: z.string().nullable() })
const hold = z.object({
  name: z.string(),
  version: z.string().nullable(),
  reason: z.string(),
  by: z.string(),
  at: z.string(),
})
const holds = z.array(hold).readonly()
const started = z.object({ run: z.string() })
const reason = z.string().min(1).max(1_000)
const ref = z.string().min(1).max(128)

const entry = z.object({
  version: z.string(),
  images: z.int().nullable(),
  parents: z.array(z.string()).readonly(),
  at: z.string(),
  by: z.string(),
  note: z.string(),
  run: z.string().nullable(),
})
const lineage = z.object({
  dataset: z.string(),
  version: z.string(),
  imports: z.array(entry.extend({ source: z.string().nullable() })).readonly(),
  versions: z.array(entry).readonly(),
  certificates: z
    .array(
      z.object({
        id: z.string(),
        version: z.string(),
        session: z.string(),
        atLeast: z.number(),
        labelled: z.int(),
        state: z.enum(['stands', 'outgrown', 'revoked']),
        why: z.string().nullable(),
      }),
    )
    .readonly(),
  models: z
    .array(z.object({ name: z.string(), version: z.int(), trained: z.boolean(), dataset: z.string() }))
    .readonly(),
  endpoints: z
    .array(
      z.object({
        name: z.string(),
        revision: z.int(),
        model: z.object({ name: z.string(), version: z.int() }),
        share: z.number(),
      }),
    )
    .readonly(),
})

export function retentionRoutes(server: Api, { ports: { retention } }: RouteContext): void {
  policyRoutes(server, retention)
  trashRoutes(server, retention)

  server.get(
    '/api/datasets/:name/lineage',
    {
      config: { permission: 'view' },
      schema: { params: byName, querystring: z.object({ ref: ref.default('latest') }), response: { 200: lineage } },
    },
    (request) => retention.lineage(request.params.name, request.query.ref),
  )

  server.post(
    '/api/datasets/:name/verify',
    {
      config: { permission: 'run' },
      schema: {
        params: byName,
        body: z.object({ ref: ref.default('latest'), everyImage: z.boolean().default(false) }),
        response: { 202: started },
      },
    },
    async (request, reply) =>
      reply.code(202).send(await retention.verify(request.params.name, request.body, request.principal.name)),
  )
}

function policyRoutes(server: Api, retention: RetentionPort): void {
  server.get(
    '/api/datasets/:name/policy',
    { config: { permission: 'view' }, schema: { params: byName, response: { 200: policyView } } },
    (request) => retention.policy(request.params.name),
  )

  server.put(
    '/api/datasets/:name/policy',
    { config: { permission: 'administer' }, schema: { params: byName, body: policy, response: { 200: policyView } } },
    (request) => retention.setPolicy(request.params.name, request.body, request.principal.name),
  )

  server.get(
    '/api/datasets/:name/holds',
    { config: { permission: 'view' }, schema: { params: byName, response: { 200: holds } } },
    (request) => retention.holds(request.params.name),
  )

  server.post(
    '/api/datasets/:name/holds',
    {
      config: { permission: 'publish' },
      schema: {
        params: byName,
        body: z.object({ name: z.string(), ref: ref.nullable().default(null), reason }),
        response: { 200: holds },
      },
    },
    (request) => retention.hold(request.params.name, request.body, request.principal.name),
  )

  server.delete(
    '/api/datasets/:name/holds/:hold',
    {
      config: { permission: 'administer' },
      schema: { params: byName.extend({ hold: z.string().max(40) }), response: { 200: holds } },
    },
    (request) => retention.release(request.params.name, request.params.hold, request.principal.name),
  )
}

function trashRoutes(server: Api, retention: RetentionPort): void {
  const trashed = z.object({ version: z.string(), trashedAt: z.string(), goesAt: z.string() })
  server.get(
    '/api/datasets/:name/trash',
    { config: { permission: 'view' }, schema: { params: byName, response: { 200: z.array(trashed).readonly() } } },
    (request) => retention.trash(request.params.name),
  )

  server.post(
    '/api/datasets/:name/undelete',
    {
      config: { permission: 'publish' },
      schema: {
        params: byName,
        body: z.object({ version: z.string().regex(/^[0-9a-f]{6,64}$/) }),
        response: { 200: z.object({ version: z.string() }) },
      },
    },
    (request) => retention.undelete(request.params.name, request.body.version, request.principal.name),
  )

  server.post(
    '/api/gc',
    {
      config: { permission: 'administer' },
      schema: { body: z.object({ dryRun: z.boolean().default(false) }), response: { 202: started } },
    },
    async (request, reply) =>
      reply.code(202).send(await retention.collect(request.body.dryRun, request.principal.name)),
  )

  server.post(
    '/api/images/:digest/delete',
    {
      config: { permission: 'administer' },
      schema: { params: z.object({ digest }), body: z.object({ reason }), response: { 202: started } },
    },
    async (request, reply) =>
      reply
        .code(202)
        .send(await retention.deleteImage(request.params.digest, request.body.reason, request.principal.name)),
  )
}
