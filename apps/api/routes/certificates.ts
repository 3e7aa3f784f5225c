import { z } from 'zod'
import type { CertificateReport } from '#core/labelling'
import { byId } from '../schemas.ts'
import type { Api, RouteContext } from '../server.ts'

const change = { changed: z.int(), added: z.int(), removed: z.int() }

const certificateView = z.object({
  id: z.string(),
  dataset: z.string(),
  version: z.string(),
  session: z.string(),
  task: z.enum(['single', 'multi', 'ordinal']),
  issuedAt: z.string(),
  atLeast: z.number(),
  target: z.number(),
  confidence: z.number(),
  labelled: z.int().describe('Labels it speaks of; of several labels an image, answers: one per image and class'),
  signedBy: z.string().nullable().describe('Fingerprint of the key; null where it is unsigned'),
  state: z.enum(['stands', 'outgrown', 'revoked']),
  why: z.string().nullable(),
  latest: z
    .object({ version: z.string(), labelled: z.int(), atLeast: z.number(), ...change })
    .nullable()
    .describe('What follows from it for the newest version'),
})

const classBound = z.object({
  class: z.string(),
  labelled: z.int(),
  sample: z.int(),
  found: z.int(),
  atLeast: z.number(),
  jointly: z.number().nullable().describe('For all classes at once'),
})

const certificateDetail = certificateView.extend({
  excluded: z.record(z.string(), z.int()),
  looks: z
    .array(
      z.object({
        look: z.int(),
        place: z.int().nullable().describe('Among all looks of the dataset line'),
        round: z.int(),
        frozen: z.string(),
        population: z.int(),
        sample: z.int(),
        found: z.int(),
        takenOut: z.int(),
        skipped: z.int(),
        gold: z.object({ shown: z.int(), missed: z.int(), missRateAtMost: z.number() }),
        alpha: z.object({ errors: z.number(), gold: z.number() }),
        errorsAtMost: z.int(),
        atLeast: z.number(),
        adjudicated: z.object({ disputes: z.int(), restored: z.int(), byOthers: z.int() }).nullable(),
        perClass: z.array(classBound).readonly(),
      }),
    )
    .readonly(),
})

const verification = z.object({
  id: z.string(),
  holds: z.boolean(),
  signature: z.object({
    state: z.enum(['valid', 'unsigned', 'invalid', 'foreign']),
    fingerprint: z.string().nullable(),
  }),
  troubles: z.array(z.string()).readonly(),
})

export type CertificateView = z.infer<typeof certificateView>

/** Names are ids, sessions or datasets. Throws `CERTIFICATE_NOT_FOUND`. */
export interface CertificatePort {
  /** Newest first; of one dataset, or of all. */
  list(dataset?: string): Promise<readonly CertificateView[]>
  show(name: string): Promise<z.infer<typeof certificateDetail>>
  /** The certificate itself, as it was signed. */
  file(name: string): Promise<CertificateReport>
  /** Computes it anew. */
  verify(name: string): Promise<z.infer<typeof verification>>
  /** Takes it back, for good. */
  revoke(name: string, reason: string, by: string): Promise<CertificateView>
}

/** Certificates: how many labels of a version are right at least, and whether that still stands. */
export function certificateRoutes(server: Api, { ports: { certificates } }: RouteContext): void {
  server.get(
    '/api/certificates',
    {
      config: { permission: 'view' },
      schema: {
        querystring: z.object({ dataset: z.string().optional() }),
        response: { 200: z.array(certificateView).readonly() },
      },
    },
    (request) => certificates.list(request.query.dataset),
  )

  server.get(
    '/api/certificates/:id',
    { config: { permission: 'view' }, schema: { params: byId, response: { 200: certificateDetail } } },
    (request) => certificates.show(request.params.id),
  )

  server.get(
    '/api/certificates/:id/file',
    { config: { permission: 'view' }, schema: { params: byId } },
    async (request, reply) => {
      const file = await certificates.file(request.params.id)
      return reply
        .type('application/json')
        .header('content-disposition', `attachment; filename="certificate-${file.session}.json"`)
        .send(JSON.stringify(file))
    },
  )

  server.get(
    '/api/certificates/:id/verification',
    { config: { permission: 'view' }, schema: { params: byId, response: { 200: verification } } },
    (request) => certificates.verify(request.params.id),
  )

  server.post(
    '/api/certificates/:id/revocation',
    {
      config: { permission: 'publish' },
      schema: {
        params: byId,
        body: z.object({ reason: z.string().trim().min(1, 'say why').max(2_000) }),
        response: { 200: certificateView },
      },
    },
    (request) => certificates.revoke(request.params.id, request.body.reason, request.principal.name),
  )
}
