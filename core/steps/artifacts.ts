/**
 * What flows along the arrows of a pipeline: small JSON references to immutable things in the store. The literal `kind`
 * makes wrong wiring a compile error; the digests make every reference checkable and every step's inputs cacheable.
 */

import { z } from 'zod'

export const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'must be a SHA-256 digest in lower-case hex')
export const objectName = z
  .string()
  .regex(/^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/, 'must be lower-case letters, digits and hyphens, at most 40')

/** Bytes in the store under `blobs/sha256/<aa>/<digest>`. */
export const blobRef = z.object({ sha256, sizeBytes: z.int().nonnegative() })

declare const row: unique symbol

/** Rows of one type, in order: JSON lines in a blob. A map gives one; a map of 100,000 items reads one. */
export interface Table<Row> {
  readonly kind: 'table'
  readonly rows: number
  readonly blob: BlobRef
  /** Of a map: items that failed, and have no row. */
  readonly failed: number
  /** JSON lines {index, error} of these; null where there are none. */
  readonly failures: BlobRef | null
  /** Never there: carries the type of the rows. */
  readonly [row]?: Row
}

/**
 * A table with rows of one type, as input or output of a step. The rows themselves are not checked: whoever wrote them
 * has.
 *
 * @example
 * const summary = defineStep({ name: 'summary', input: z.object({ sizes: artifacts.table(size) }), … })
 */
export function table<S extends z.ZodType>(_row: S): z.ZodType<Table<z.output<S>>, Table<z.output<S>>> {
  return tableReference as unknown as z.ZodType<Table<z.output<S>>, Table<z.output<S>>>
}

const tableReference = z.object({
  kind: z.literal('table'),
  rows: z.int().nonnegative(),
  blob: blobRef,
  failed: z.int().nonnegative().default(0),
  failures: blobRef.nullable().default(null),
})

/** One immutable version of a dataset. `version` is the digest of its content: images, labels, splits. */
export const datasetVersion = z.object({
  kind: z.literal('dataset-version'),
  dataset: objectName,
  version: sha256,
  images: z.int().nonnegative(),
})

/** What can be said of an embedding without labels. */
export const embeddingQuality = z.object({
  /** RankMe (Garrido et al., ICML 2023): in how many directions the embedding differs, at most its length. Comparable for equal `images`. */
  effectiveRank: z.number().positive(),
  /** How many images it was measured on. */
  images: z.int().positive(),
})

/** A network that turns images into vectors, and was trained for it: what `embed-images` takes as `embedder`. */
export const embedder = z.object({
  kind: z.literal('embedder'),
  /** Of what made it, for people: `vicreg`. */
  name: z.string().min(1).max(60),
  dims: z.int().positive(),
  /** ONNX from uint8 [N, H, W, 3] `images` to float32 [N, dims] `embedding`, H and W fixed. */
  model: blobRef,
  quality: embeddingQuality.optional(),
})

/** Matrix float32 [n, d], row-major, rows in ascending order of image digest of `dataset`'s version. */
export const embeddings = z.object({
  kind: z.literal('embeddings'),
  dataset: datasetVersion,
  matrix: blobRef,
  images: z.int().positive(),
  dims: z.int().positive(),
  /** ONNX from uint8 [N, H, W, 3] `images` to float32 [N, d] `embedding`. */
  embedder: blobRef,
  inputSize: z.object({ height: z.int().positive(), width: z.int().positive() }),
  quality: embeddingQuality.optional(),
})

/** `assignment` int32 [n] in row order of the embeddings, `centroids` float32 [k, d], both little-endian. */
export const clusters = z.object({
  kind: z.literal('clusters'),
  embeddings,
  k: z.int().positive(),
  assignment: blobRef,
  centroids: blobRef,
})

/** What finds similar images of a version, and the map of all; rows in ascending order of image digest. */
export const neighbours = z.object({
  kind: z.literal('neighbours'),
  dataset: datasetVersion,
  images: z.int().positive(),
  dims: z.int().positive(),
  /** float32 [images, dims], rows of length one: inner products are cosines. */
  vectors: blobRef,
  /** uint8 [images, 32]. */
  digests: blobRef,
  /** ONNX from uint8 [N, H, W, 3] `images` to float32 [N, dims] `look`, in the space of `vectors`. */
  embedder: blobRef,
  inputSize: z.object({ height: z.int().positive(), width: z.int().positive() }),
  /** float32 [images, 2], coordinates from −1 to 1. */
  map: blobRef,
})

/** A statistical bound on the share of right labels over all labelled images of one frozen version. */
export const certificate = z.object({
  kind: z.literal('certificate'),
  report: blobRef,
  atLeast: z.number().min(0).max(1),
  confidence: z.number().min(0).max(1),
})

/** A trained network that nobody has registered yet. `digest` covers weights, signature, classes, preprocessing, inputs and seeds. */
export const trainedModel = z.object({
  kind: z.literal('trained-model'),
  digest: sha256,
  /** ONNX from uint8 [N, H, W, 3] `images` to float32 [N, C] `scores` (probabilities, rows sum to 1). */
  onnx: blobRef,
  /** The trainer's `model.json`: classes, preprocessing, signature. */
  description: blobRef,
  trainer: z.string(),
  classes: z.array(z.string()).min(2),
  inputSize: z.object({ height: z.int().positive(), width: z.int().positive() }),
})

export const interval = z.tuple([z.number(), z.number()])
export const classScore = z.object({
  class: z.string(),
  images: z.int(),
  precision: z.number().nullable(),
  recall: z.number().nullable(),
})

export const evaluationReport = z.object({
  kind: z.literal('evaluation-report'),
  model: sha256,
  report: blobRef,
  html: blobRef,
  /** Per held-out image the evaluated class, for the proof step: JSON lines {digest, class, score}. */
  predictions: blobRef,
  images: z.int(),
  humanSeen: z.int(),
  accuracy: z.number(),
  /** Two-sided 95 % (Wilson). */
  interval,
  perClass: z.array(classScore),
  /** True where there is no champion yet. */
  beatsChampion: z.boolean(),
})

export const modelVersion = z.object({
  kind: z.literal('model-version'),
  name: objectName,
  version: z.int().positive(),
  digest: sha256,
})

export const endpoint = z.object({
  kind: z.literal('endpoint'),
  name: objectName,
  revision: z.int().positive(),
  url: z.string(),
})

/** An algorithm file as one bundle, with values for its parameters; defaults fill the rest. */
export const algorithm = z.object({ bundle: blobRef, params: z.record(z.string(), z.unknown()) })

/** What a self-service task gave. `failed` of the `images` have a reason instead of a class. */
export const batchResults = z.object({
  kind: z.literal('batch-results'),
  /** Names the task: `gyre batch show <id>`. */
  id: z.string(),
  model: modelVersion,
  images: z.int().nonnegative(),
  failed: z.int().nonnegative(),
  results: z.object({ csv: blobRef, json: blobRef, html: blobRef }),
})

/** What a check of a dataset version found; `severe` of the `findings` make results wrong. */
export const healthReport = z.object({
  kind: z.literal('health-report'),
  dataset: datasetVersion,
  report: blobRef,
  html: blobRef,
  findings: z.int().nonnegative(),
  severe: z.int().nonnegative(),
})

/** Seconds a person needs for the same work by the keyboard cost model, beside what the session took. */
/** How far wrong labels lie from the right ones, where classes have an order: by the newest audit's sample. */
export const orderAgreement = z.object({
  images: z.int(),
  wrong: z.int(),
  /** Of the wrong ones: those that are one class off. */
  adjacent: z.int(),
  /** Share of images whose label is right or one class off. */
  withinOne: z.number().nullable(),
  /** Quadratically weighted (Cohen, 1968). */
  kappa: z.number().nullable(),
})

export const labellingStats = z.object({
  images: z.int(),
  screens: z.int(),
  /** Images shown to a person, with repeats. */
  shown: z.int(),
  misfits: z.int(),
  singles: z.int(),
  audits: z.int(),
  gold: z.int(),
  costModel: z.literal('keyboard'),
  humanSeconds: z.number(),
  /** One-by-one seconds for all images over `humanSeconds`. */
  speedUp: z.number(),
})

export type Algorithm = z.infer<typeof algorithm>
export type BatchResults = z.infer<typeof batchResults>
export type BlobRef = z.infer<typeof blobRef>
export type DatasetVersion = z.infer<typeof datasetVersion>
export type Embedder = z.infer<typeof embedder>
export type EmbeddingQuality = z.infer<typeof embeddingQuality>
export type Embeddings = z.infer<typeof embeddings>
export type Clusters = z.infer<typeof clusters>
export type Neighbours = z.infer<typeof neighbours>
export type Certificate = z.infer<typeof certificate>
export type TrainedModel = z.infer<typeof trainedModel>
export type EvaluationReport = z.infer<typeof evaluationReport>
export type ModelVersion = z.infer<typeof modelVersion>
export type Endpoint = z.infer<typeof endpoint>
export type LabellingStats = z.infer<typeof labellingStats>
