/**
 * The shapes that the HTTP API speaks, each written once: they validate, they type the routes and the ports, and they
 * become the OpenAPI description. Times are ISO 8601 in UTC, sizes bytes, shares 0–1.
 */

import { z } from 'zod'
import { findingKinds, healthReport, operation } from '#core/health'
import { ROLES } from '#core/identity'
import { artifacts } from '#core/steps'

/** A name in an address; its form is checked where the thing is looked up, so that a wrong one is "not found". */
const segment = z.string().min(1).max(128)

export const byName = z.object({ name: segment })
export const byId = z.object({ id: segment })
export const digest = z.string().regex(/^[0-9a-f]{64}$/, 'must be a SHA-256 digest in lower-case hex')
export const byImage = z.object({ dataset: segment, digest })

export const role = z.enum(ROLES)
export const principal = z.object({ name: z.string(), role })

export const runStatus = z.enum(['queued', 'running', 'waiting', 'completed', 'failed', 'cancelled'])
export const runSummary = z.object({
  id: z.string(),
  pipeline: z.string(),
  status: runStatus,
  startedAt: z.string(),
  endedAt: z.string().nullable(),
})

export const stepReport = z.object({
  id: z.string(),
  step: z.string(),
  needs: z.array(z.string()).readonly(),
  status: z.enum([...runStatus.options, 'skipped']),
  origin: z.enum(['ran', 'hit', 'recovered', 'reused']).nullable(),
  attempts: z.number(),
  startedAt: z.string().nullable(),
  endedAt: z.string().nullable(),
  reason: z.string().nullable(),
  progress: z
    .object({ done: z.number(), total: z.number().optional(), unit: z.string(), note: z.string().optional() })
    .nullable(),
  outputs: z.unknown(),
  code: z.string().nullable(),
})

export const runReport = runSummary.extend({
  params: z.unknown(),
  temporalUrl: z.string().nullable(),
  /** The run whose results it took over, and the runs that took over its own. */
  basedOn: z
    .object({ kind: z.enum(['rerun', 'fork']), run: z.string(), forced: z.array(z.string()).readonly() })
    .nullable()
    .optional(),
  derived: z.array(z.string()).readonly().optional(),
  steps: z.array(stepReport).readonly(),
})

/** Which runs are listed. */
export const runFilter = z.object({
  pipeline: z.string().min(1).max(128).optional(),
  status: runStatus.optional(),
  limit: z.coerce.number().int().positive().max(10_000).optional(),
})

/** What a run would do, before it does. */
export const runForecast = z.object({
  pipeline: z.string(),
  params: z.unknown(),
  against: z.string().nullable(),
  nodes: z
    .array(
      z.object({
        id: z.string(),
        step: z.string(),
        needs: z.array(z.string()).readonly(),
        does: z.enum(['run', 'hit', 'reuse', 'skip', 'open']),
        because: z.string(),
        decidedBy: z.array(z.string()).readonly(),
        expected: z.enum(['run', 'hit', 'reuse', 'skip']).nullable(),
        estimateMs: z.number().nullable(),
      }),
    )
    .readonly(),
  removed: z.array(z.string()).readonly(),
  estimateMs: z.number().nullable(),
})

/** Something that waits for people. */
export const waitingApproval = z.object({
  run: z.string(),
  node: z.string(),
  pipeline: z.string(),
  question: z.string(),
  subject: z.unknown(),
  subjectSha256: z.string(),
  /** How many people must agree. */
  approvals: z.number(),
  /** Who may answer now: names and `role:…`; empty: whoever may publish. */
  asked: z.array(z.string()).readonly(),
  by: z.array(z.string()).readonly(),
  escalateTo: z.array(z.string()).readonly(),
  escalated: z.boolean(),
  answers: z
    .array(z.object({ by: z.string(), role: z.string().nullable(), at: z.string(), why: z.string() }))
    .readonly(),
  /** JSON schema of what an approval must say; null where it says nothing. */
  form: z.record(z.string(), z.unknown()).nullable(),
  askedAt: z.string(),
  escalateAt: z.string().nullable(),
  deadlineAt: z.string().nullable(),
  onDeadline: z.enum(['fail', 'approve', 'refuse']),
  /** Whether whoever reads this may answer. */
  mayAnswer: z.boolean(),
})

/** One start that a trigger made, or could not make. */
export const triggerFire = z.object({
  pipeline: z.string(),
  trigger: z.string(),
  at: z.string(),
  cause: z.object({ kind: z.string(), text: z.string(), trigger: z.string() }),
  run: z.string().nullable(),
  problem: z.string().nullable(),
})

export const triggerView = z.object({
  pipeline: z.string(),
  name: z.string(),
  kind: z.string(),
  /** One line: what it waits for. */
  text: z.string(),
  paused: z.boolean(),
  /** When it starts next, where it has times. */
  next: z.string().nullable(),
  last: triggerFire.nullable(),
})

export const pipelineInfo = z.object({
  name: z.string(),
  file: z.string(),
  description: z.string(),
  params: z.unknown(),
})

export const datasetSummary = z.object({
  name: z.string(),
  version: z.string(),
  images: z.number(),
  labelled: z.number(),
  classes: z.number(),
})

export const datasetDetail = z.object({
  name: z.string(),
  version: z.string(),
  images: z.number(),
  labelled: z.number(),
  humanSeen: z.number(),
  excluded: z.number(),
  splits: z.object({ train: z.number(), test: z.number() }),
  classes: z.array(z.object({ class: z.string(), images: z.number(), humanSeen: z.number() })).readonly(),
  /** Newest first. */
  history: z
    .array(z.object({ version: z.string(), at: z.string().nullable(), images: z.number().nullable() }))
    .readonly(),
})

export const imageRow = z.object({
  digest: z.string(),
  width: z.number(),
  height: z.number(),
  sizeBytes: z.number(),
  format: z.string(),
  source: z.string(),
  split: z.enum(['train', 'test']),
  label: z.string().nullable(),
  origin: z.enum(['human', 'inferred', 'predicted', 'imported']).nullable(),
  humanSeen: z.boolean(),
  excluded: z.string().nullable(),
})

export const imagePage = z.object({ images: z.array(imageRow).readonly(), next: z.string().nullable() })

export const byView = z.object({ name: segment, view: segment })

/** One image in one version; `row` counts from 0 in the order that was asked for. */
export const catalogRow = z.object({
  row: z.number(),
  digest: z.string(),
  width: z.number(),
  height: z.number(),
  sizeBytes: z.number(),
  format: z.string(),
  source: z.string(),
  uri: z.string().nullable(),
  group: z.string(),
  split: z.enum(['train', 'test']),
  label: z.string().nullable(),
  tags: z.array(z.string()).readonly().nullable(),
  /** Canonical JSON object. */
  attributes: z.string().nullable(),
  origin: imageRow.shape.origin,
  humanSeen: z.boolean(),
  randomDraw: z.boolean(),
  excluded: z.string().nullable(),
  /** How many, and of which classes. */
  boxes: z.number(),
  boxClasses: z.array(z.string()).readonly().nullable(),
  brightness: z.number().nullable(),
  contrast: z.number().nullable(),
  blur: z.number().nullable(),
  entropy: z.number().nullable(),
  colour: z.number().nullable(),
  camera: z.string().nullable(),
  takenAt: z.string().nullable(),
})

export const catalogPage = z.object({ version: z.string(), total: z.number(), rows: z.array(catalogRow).readonly() })

export const facetPage = z.object({
  total: z.number(),
  facets: z
    .array(
      z.object({
        column: z.string(),
        kind: z.enum(['values', 'histogram']),
        buckets: z
          .array(
            z.union([
              z.object({ value: z.union([z.string(), z.boolean(), z.null()]), images: z.number() }),
              z.object({ from: z.number(), to: z.number(), images: z.number() }),
            ]),
          )
          .readonly(),
        more: z.boolean(),
      }),
    )
    .readonly(),
})

export const savedView = z.object({
  name: z.string(),
  where: z.string(),
  note: z.string(),
  at: z.string(),
  by: z.string(),
})

const meant = {
  version: z.string().min(1).max(128).describe('The version that was looked at: its digest, or a ref'),
  where: z.string().min(1).max(4_000).optional().describe('Condition; give this or digests'),
  digests: z.array(digest).min(1).max(100_000).optional(),
  reason: z.string().min(1).max(1_000),
}

/** What is done to images that fit a condition, or to named ones. */
export const imageChange = z.discriminatedUnion('action', [
  z.object({ ...meant, action: z.enum(['exclude', 'include', 'ask']) }),
  z.object({ ...meant, action: z.literal('label'), label: z.string().min(1).max(60) }),
  z.object({ ...meant, action: z.enum(['tag', 'untag']), label: z.string().min(1).max(60).describe('The tag') }),
])

/** A report of the health of a version; `html` is the digest of its page under `/api/reports`. */
export const healthView = healthReport.extend({ at: z.string(), by: z.string(), html: digest })

const version = z.string().min(1).max(128).default('latest').describe('A version by its digest, or a ref')
const reason = z.string().min(1).max(1_000).describe('Why, for the history')

export const healthCheck = z.object({
  ref: version,
  against: z.string().min(1).max(128).optional().describe('A ref or version of this dataset to compare with'),
  labels: z.boolean().default(true).describe('Whether labels are held against embeddings'),
})

export const findingAction = z.object({
  version,
  finding: z.enum(findingKinds),
  action: z.enum(['exclude', 'include', 'ask']),
  reason: reason.optional(),
})

const labelSchema = z.object({
  task: z.enum(['single', 'multi', 'ordinal']),
  classes: z.array(z.string()).readonly(),
  boxes: z.array(z.string()).readonly().nullable(),
  attributes: z.record(z.string(), z.union([z.enum(['text', 'number', 'boolean']), z.array(z.string()).readonly()])),
})

export const schemaView = z.object({ version: digest, schema: labelSchema, isSet: z.boolean() })

export const newSchema = z.object({ version, schema: labelSchema, reason })

export const schemaMigration = z.object({
  version,
  of: z.enum(['labels', 'boxes']).default('labels'),
  operations: z.array(operation).min(1).max(1_000),
  preview: z.boolean().default(false).describe('Only says what it would do'),
  reason,
})

export const migratedView = z.object({
  /** The one that was made, or the one that a preview looked at. */
  version: digest,
  schema: labelSchema,
  moves: z.array(z.object({ from: z.string(), to: z.string(), images: z.number() })).readonly(),
  needsPerson: z.object({
    images: z.number(),
    digests: z.array(digest).readonly(),
    list: artifacts.blobRef.nullable(),
  }),
})

export const sessionState = z.object({
  session: z.string(),
  status: z.enum(['open', 'certified', 'stopped', 'finished']),
  images: z.number(),
  labelled: z.number(),
  screens: z.number(),
  misfits: z.number(),
  certified: z.object({ atLeast: z.number(), confidence: z.number() }).nullable(),
  humanSeconds: z.number(),
  speedUp: z.number(),
  screensLeft: z.number().nullable(),
  pace: z
    .object({ grid: z.number().nullable(), control: z.number().nullable() })
    .describe('Active seconds an image: on grids, and on control tasks of one image'),
  secondsLeft: z.number().nullable(),
  people: z.number(),
  disagreements: z.number(),
  classes: z.array(z.string()).readonly(),
})

export const sessionRecord = z.object({
  id: z.string(),
  run: z.string().nullable(),
  dataset: z.string(),
  version: z.string(),
  images: z.number(),
  classes: z.array(z.string()).readonly(),
  annotator: z.enum(['web', 'simulated']),
  openedAt: z.string().nullable(),
  task: z.enum(['single', 'multi', 'ordinal']),
  overlap: z.number().describe('People who judge each image'),
  targetAccuracy: z.number(),
})

export const sessionView = sessionRecord.extend({ state: sessionState })

const className = z.string().min(1).max(60)

export const screen = z.object({
  id: z.string(),
  kind: z.enum(['cluster', 'verify', 'single', 'pair']),
  proposed: z.string().nullable(),
  images: z.array(z.string()).readonly(),
  secondGuess: z.array(z.string().nullable()).readonly(),
  proposals: z.array(z.string()).readonly().exactOptional().describe('Of a pair screen: the class of each image'),
  pair: z.tuple([z.string(), z.string()]).readonly().exactOptional(),
  vouches: z.number().exactOptional().describe('Unseen images accepted with this page when it is clean'),
  asks: z.string().exactOptional().describe('Of several labels an image: the class in question'),
  requestedBy: z.string().exactOptional(),
})

export const answer = z.object({
  screen: z.string().min(1).max(64),
  class: className.nullable().describe('Class of every image that is not a misfit; null skips'),
  misfits: z
    .array(
      z
        .object({
          image: digest,
          class: className.nullable(),
          why: z.enum(['unsure', 'broken', 'new']).exactOptional(),
          note: z.string().max(60).exactOptional().describe('A name for the new class'),
        })
        .strict(),
    )
    .max(48)
    .readonly(),
  activeMs: z.number().nonnegative().finite().nullable().default(null),
  comment: z.string().min(1).max(2_000).exactOptional(),
})

/** An answer as it was stored. */
export const storedAnswer = answer.extend({ annotator: z.string(), at: z.string() })

export const annotatorStats = z.object({
  annotator: z.string(),
  screens: z.number(),
  images: z.number(),
  misfits: z.number(),
  activeMs: z.number(),
  secondsPerImage: z.number().nullable().describe('On grids, as measured; null before any was'),
  controls: z.object({ images: z.number(), secondsPerImage: z.number().nullable() }),
  gold: z.object({ shown: z.number(), missed: z.number() }),
  agreement: z.object({ images: z.number(), equal: z.number() }),
  lastAt: z.string().nullable(),
})

export const disagreement = z.object({
  image: z.string(),
  asks: z.string().exactOptional().describe('Of several labels an image: the class in question'),
  votes: z
    .array(
      z.object({
        screen: z.string(),
        annotator: z.string(),
        class: z.string().nullable(),
        why: z.enum(['unsure', 'broken', 'new']).nullable(),
        proposed: z.string().nullable(),
        at: z.string(),
      }),
    )
    .readonly(),
  settled: z.object({ class: z.string(), chance: z.number() }).nullable(),
})

export const comment = z.object({
  at: z.string(),
  by: z.string(),
  text: z.string(),
  screen: z.string().nullable(),
  image: z.string().nullable(),
})

export const newComment = z.object({
  text: z.string().trim().min(1).max(2_000),
  screen: z.string().min(1).max(64).nullable().default(null),
  image: digest.nullable().default(null),
})

export const newInstructions = z.object({
  text: z.string().max(20_000).describe('Markdown'),
  examples: z.record(className, z.array(digest).max(24).readonly()).default({}).describe('Digests by class'),
})

export const instructions = z.object({
  text: z.string(),
  examples: z.record(z.string(), z.array(z.string()).readonly()),
  by: z.string().nullable(),
  at: z.string().nullable(),
})

export const classChange = z.union([
  z.object({ add: className }).strict(),
  z.object({ remove: className, into: className.nullable().default(null) }).strict(),
])

/** Images to be shown next, or images of one annotator to be looked at again. */
export const imageRequest = z.union([
  z
    .object({
      images: z.array(digest).min(1).max(5_000).readonly(),
      proposed: className.nullable().default(null),
      review: z.boolean().default(false).describe('Also images that people labelled already'),
    })
    .strict(),
  z.object({ annotator: z.string().min(1).max(64), count: z.number().int().min(1).max(5_000).default(96) }).strict(),
])

export const reasons = z.object({
  chance: z.number().nullable(),
  predicted: z.string().nullable(),
  margin: z.number().nullable(),
  cluster: z.number().nullable(),
  neighbours: z.array(z.object({ digest: z.string(), class: z.string(), similarity: z.number() })).readonly(),
})

export const modelSummary = z.object({
  name: z.string(),
  versions: z.number(),
  latest: z.number(),
  champion: z.number().nullable(),
  accuracy: z.number().nullable(),
})

export const modelVersion = z.object({
  version: z.number(),
  digest: z.string(),
  trainer: z.string().nullable(),
  classes: z.array(z.string()).readonly(),
  accuracy: z.number().nullable(),
  interval: z.tuple([z.number(), z.number()]).readonly().nullable(),
  /** Digest of the HTML evaluation report, for `/api/reports/:sha256`. */
  report: z.string().nullable(),
  run: z.string().nullable(),
  dataset: z.object({ name: z.string(), version: z.string() }).nullable(),
  /** Of the labels that it learnt from; null where none speaks of that version. */
  certificate: z
    .object({ id: z.string(), atLeast: z.number(), state: z.enum(['stands', 'outgrown', 'revoked']) })
    .nullable()
    .optional(),
  registeredAt: z.string().nullable(),
})

export const modelDetail = z.object({
  name: z.string(),
  /** Newest first. */
  versions: z.array(modelVersion).readonly(),
  aliases: z.array(z.object({ alias: z.string(), version: z.number() })).readonly(),
})

export const endpointView = z.object({
  name: z.string(),
  /** The base address: `<url>/v2/models/<name>/infer`. */
  url: z.string().nullable(),
  revisions: z
    .array(
      z.object({
        revision: z.number(),
        model: z.object({ name: z.string(), version: z.number() }),
        wanted: z.number(),
        ready: z.number(),
        percent: z.number(),
        trouble: z.string().nullable(),
        /** What it waits for, as room in a cluster. */
        waiting: z.string().nullable(),
      }),
    )
    .readonly(),
})

export const endpointDetail = endpointView.extend({
  /** States of the shares (revision → percent), newest first. */
  history: z.array(z.object({ at: z.string(), by: z.string(), shares: z.record(z.string(), z.number()) })).readonly(),
})

export const batchView = z.object({
  id: z.string(),
  model: z.string(),
  /** What it runs over: `dataset surfaces`, or `12 uploaded images`. */
  source: z.string(),
  status: runStatus,
  startedAt: z.string(),
  endedAt: z.string().nullable(),
  images: z.number().nullable(),
  done: z.number(),
  failed: z.array(z.object({ path: z.string(), reason: z.string() })).readonly(),
  /** One line when it failed. */
  reason: z.string().nullable(),
  /** Whether results can be downloaded. */
  ready: z.boolean(),
})

export const batchRow = z.object({
  image: z.string(),
  path: z.string(),
  class: z.string().nullable(),
  score: z.number().nullable(),
})

export const problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.number(),
  code: z.string(),
  detail: z.string(),
  remedy: z.string().optional(),
  details: z.record(z.string(), z.unknown()).optional(),
})

export type Principal = z.infer<typeof principal>
export type Role = z.infer<typeof role>
export type TriggerView = z.infer<typeof triggerView>
export type WaitingApproval = z.infer<typeof waitingApproval>
export type DatasetSummary = z.infer<typeof datasetSummary>
export type DatasetDetail = z.infer<typeof datasetDetail>
export type ImagePage = z.infer<typeof imagePage>
export type CatalogPage = z.infer<typeof catalogPage>
export type FacetPage = z.infer<typeof facetPage>
export type SavedView = z.infer<typeof savedView>
export type ImageChange = z.infer<typeof imageChange>
export type HealthView = z.infer<typeof healthView>
export type HealthCheck = z.infer<typeof healthCheck>
export type FindingAction = z.infer<typeof findingAction>
export type SchemaView = z.infer<typeof schemaView>
export type NewSchema = z.infer<typeof newSchema>
export type SchemaMigration = z.infer<typeof schemaMigration>
export type MigratedView = z.infer<typeof migratedView>
export type SessionRecord = z.infer<typeof sessionRecord>
export type ModelSummary = z.infer<typeof modelSummary>
export type ModelDetail = z.infer<typeof modelDetail>
export type EndpointView = z.infer<typeof endpointView>
export type EndpointDetail = z.infer<typeof endpointDetail>
export type BatchView = z.infer<typeof batchView>
