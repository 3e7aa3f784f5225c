import { z } from 'zod'
import {
  DIFFERENCES,
  MERGE_POLICIES,
  type DifferenceKind,
  type HistoryEntry,
  type Ref,
  type VersionDiff,
} from '#core/datasets'
import type { DiffPage } from '../ports.ts'
import { byName } from '../schemas.ts'
import type { Api, RouteContext } from '../server.ts'

const ref = z.string().min(1).max(128)
const note = z.string().max(2_000).default('')
const field = z.union([
  z.enum(['presence', 'label', 'tags', 'excluded', 'boxes', 'schema']),
  z.templateLiteral(['attributes.', z.string()]),
])

export const versionTag = z.object({ tag: z.string().max(64), version: ref, move: z.boolean().default(false), note })
export const versionRestore = z.object({ version: ref, ref: ref.default('latest'), note })
export const versionMerge = z.object({
  /** A ref, which then moves to the merge; or a version, and then nothing moves. */
  ours: ref.default('latest'),
  theirs: ref,
  /** Tried one after the other on what no decision settles. */
  policies: z.array(z.enum(MERGE_POLICIES)).max(4).default([]),
  decisions: z
    .array(z.object({ digest: z.string().nullable(), field, take: z.enum(['ours', 'theirs', 'clear']) }))
    .max(10_000)
    .default([]),
  note,
})

const sides = z.object({ from: ref, to: ref })
const rows = sides.extend({
  kind: z.enum(DIFFERENCES as readonly [DifferenceKind, ...DifferenceKind[]]).optional(),
  label: z.string().max(200).optional(),
  after: z.string().max(64).optional(),
  limit: z.coerce.number().int().min(1).max(500).default(100),
})
const made = z.object({ version: z.string(), images: z.number() })

/** Where versions came from, what tells them apart, and which of them refs point to. */
export function datasetVersionRoutes(server: Api, { ports: { versions } }: RouteContext): void {
  const limit = z.coerce.number().int().min(1).max(1_000).default(100)
  const view = { config: { permission: 'view' } } as const

  server.get(
    '/api/datasets/:name/log',
    {
      ...view,
      schema: {
        params: byName,
        querystring: z.object({ ref: ref.default('latest'), limit }),
        response: { 200: z.array(z.custom<HistoryEntry>()).readonly() },
      },
    },
    (request) => versions.log(request.params.name, request.query),
  )

  server.get(
    '/api/datasets/:name/refs',
    { ...view, schema: { params: byName, response: { 200: z.array(z.custom<Ref>()).readonly() } } },
    (request) => versions.refs(request.params.name),
  )

  server.get(
    '/api/datasets/:name/diff',
    { ...view, schema: { params: byName, querystring: sides, response: { 200: z.custom<VersionDiff>() } } },
    (request) => versions.diff(request.params.name, request.query),
  )

  server.get(
    '/api/datasets/:name/diff/rows',
    { ...view, schema: { params: byName, querystring: rows, response: { 200: z.custom<DiffPage>() } } },
    (request) => versions.diffRows(request.params.name, request.query),
  )

  server.post(
    '/api/datasets/:name/tags',
    {
      config: { permission: 'annotate' },
      schema: { params: byName, body: versionTag, response: { 200: made } },
    },
    (request) => versions.tag(request.params.name, request.body, request.principal.name),
  )

  server.post(
    '/api/datasets/:name/restore',
    {
      config: { permission: 'publish' },
      schema: { params: byName, body: versionRestore, response: { 200: made } },
    },
    (request) => versions.restore(request.params.name, request.body, request.principal.name),
  )

  server.post(
    '/api/datasets/:name/merge',
    {
      config: { permission: 'annotate' },
      schema: { params: byName, body: versionMerge, response: { 200: made } },
    },
    (request) => versions.merge(request.params.name, request.body, request.principal.name),
  )
}
