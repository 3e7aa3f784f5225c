import type { z } from 'zod'

/** Images as a model takes them: uint8, shape [count, height, width, 3], row-major, decoded and resized. */
export interface ImageTensor {
  readonly data: Uint8Array
  readonly count: number
  readonly height: number
  readonly width: number
}

/** One row per image, one column per class, as probabilities (rows sum to 1). */
export interface Scores {
  readonly rows: number
  readonly columns: number
  /** Row-major. */
  readonly data: Float32Array
  row(image: number): readonly number[]
  column(index: number): readonly number[]
}

/** The registered model that the algorithm names, in the version of its revision. */
export interface AlgorithmModel {
  /** In the order of the columns. */
  readonly classes: readonly string[]
  run(images: ImageTensor): Promise<Scores>
}

export interface AlgorithmDefinition<P extends z.ZodType = z.ZodType, O extends z.ZodType = z.ZodType> {
  /** Also the name of its endpoint: lower-case letters, digits and hyphens, at most 40. */
  readonly name: string
  /** A model of the registry: `name`, `name@3` or `name@champion`, resolved when it is deployed. */
  readonly model: string
  /** What whoever deploys it may set. */
  readonly params: P
  /** What it says of one image. */
  readonly output: O
  /** @returns one output per image, in order. It may be called with any number of images, of several callers at once. */
  predict(
    images: ImageTensor,
    context: { readonly model: AlgorithmModel; readonly params: z.output<P> },
  ): Promise<readonly z.input<O>[]>
}

const BRAND = Symbol.for('gyre.algorithm')

/**
 * Defines what an endpoint says of an image. Batching, replicas, rollout, metrics and health are the platform's.
 *
 * ```ts
 * export default defineAlgorithm({
 *   name: 'scratch-alarm',
 *   model: 'surface-defects@champion',
 *   params: z.object({ threshold: z.number().min(0).max(1).default(0.5) }),
 *   output: z.object({ score: z.number(), scratched: z.boolean() }),
 *   async predict(images, { model, params }) {
 *     const scores = await model.run(images) // [N, classes]
 *     return scores.column(0).map((score) => ({ score, scratched: score >= params.threshold }))
 *   },
 * })
 * ```
 */
export function defineAlgorithm<P extends z.ZodType, O extends z.ZodType>(
  definition: AlgorithmDefinition<P, O>,
): AlgorithmDefinition<P, O> {
  return Object.freeze(Object.assign({ [BRAND]: true }, definition))
}

export function isAlgorithm(value: unknown): value is AlgorithmDefinition {
  return typeof value === 'object' && value !== null && BRAND in value
}
