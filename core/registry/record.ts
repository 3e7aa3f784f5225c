import { z } from 'zod'
import { artifacts } from '#core/steps'

/**
 * The part of a trainer's `model.json` that the registry reads. `golden` is what the trainer computed on a few images:
 * pixels uint8 [n, H, W, 3] as a blob, scores [n][C].
 */
export const modelDescription = z.looseObject({
  classes: z.array(z.string()).min(2),
  golden: z
    .object({
      pixels: z.union([artifacts.blobRef, artifacts.sha256.transform((sha256) => ({ sha256 }))]),
      scores: z.array(z.array(z.number())).min(1),
    })
    .optional(),
  /** Digests of what it was fitted on. */
  inputs: z.record(z.string(), z.string()).optional(),
})

/** Where a model version comes from: enough to find every input again. */
const lineage = z.object({
  run: z.string(),
  node: z.string(),
  /** Digests of what it was fitted on, as its trainer says. */
  inputs: z.record(z.string(), z.string()),
  /** The dataset version that it was evaluated on. */
  dataset: z.object({ name: z.string(), version: artifacts.sha256 }).nullable(),
  /** Blob of the evaluation report. */
  report: artifacts.sha256,
})

/** The part of an evaluation report that the registry reads. */
export const reportFacts = z.looseObject({ dataset: z.object({ dataset: z.string(), version: artifacts.sha256 }) })

/** Stored once under the model's digest, before it gets a number. */
export const digestRecord = z.object({
  digest: artifacts.sha256,
  registeredAt: z.iso.datetime(),
  model: artifacts.trainedModel,
  report: artifacts.evaluationReport,
  lineage,
})

/** Stored once under the model's number. */
export const modelRecord = digestRecord.extend({ name: artifacts.objectName, version: z.int().positive() })

export type DigestRecord = z.infer<typeof digestRecord>
export type ModelRecord = z.infer<typeof modelRecord>
export type ModelDescription = z.infer<typeof modelDescription>
