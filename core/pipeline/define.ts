import type { z } from 'zod'
import type { StepDefinition, StepPolicy } from '#core/steps'
import type { Logger } from '#core/log'
import type { ObjectStore } from '#core/storage'
import type { Progress } from '#core/execution'
import type { Ref, When, Wired } from './ref.ts'

/** What one use of a step may change of its policy. */
export interface StepOptions {
  /** Runs only when this holds; what needs a skipped step is skipped too. */
  readonly when?: When
  /** From schedule to close, all attempts together: '30s', '10m', '2h', '14d'. */
  readonly timeout?: string
  /** Attempts at most, the first one counted; 20 unless told otherwise. */
  readonly attempts?: number
  /** false: always runs, even when an equal result of an earlier run exists. */
  readonly cache?: boolean
  readonly gpus?: number
}

/** Adds a node to the plan and returns a reference to what it will give. The id is durable: renaming it is a migration. */
export type StepFunction = <I extends z.ZodType, O extends z.ZodType>(
  id: string,
  step: StepDefinition<I, O>,
  input: Wired<z.input<I>>,
  options?: StepOptions,
) => Ref<z.output<O>>

export type Trigger =
  { readonly kind: 'manual' } | { readonly kind: 'new-images'; readonly dataset: string; readonly atLeast: number }

/** Recorded with the pipeline: start when a dataset has this many new images. */
export const onNewImages = (options: { readonly dataset: string; readonly atLeast: number }): Trigger => ({
  kind: 'new-images',
  ...options,
})

export interface PipelineDefinition<P extends z.ZodObject = z.ZodObject> {
  readonly name: string
  /** One sentence for lists; the first sentence of the file's opening comment is a good one. */
  readonly description?: string
  readonly trigger?: Trigger
  readonly params: P
  /** Runs once, at submit. Ordinary values, ordinary loops; every arrow is a variable. */
  readonly build: (tools: { readonly params: z.output<P>; readonly step: StepFunction }) => void
}

const PIPELINE = Symbol.for('gyre.pipeline')
const USER_STEPS = Symbol.for('gyre.user-steps')

/**
 * Defines a pipeline: one file, one definition, default export.
 *
 * @example
 * export default definePipeline({
 *   name: 'hello',
 *   params: z.object({ dataset: z.string() }),
 *   build({ params, step }) {
 *     const version = step('snapshot', steps.snapshotDataset, { dataset: params.dataset })
 *     step('embed', steps.embedImages, { version })
 *   },
 * })
 */
export function definePipeline<P extends z.ZodObject>(definition: PipelineDefinition<P>): PipelineDefinition<P> {
  return Object.assign({ [PIPELINE]: true }, definition)
}

export function isPipeline(candidate: unknown): candidate is PipelineDefinition {
  return typeof candidate === 'object' && candidate !== null && PIPELINE in candidate
}

/** What a step of yours gets beside its input. */
export interface UserStepContext {
  readonly store: ObjectStore
  readonly signal: AbortSignal
  readonly log: Logger
  /** An empty folder for this attempt alone. */
  readonly scratchDir: string
  progress(progress: Progress): void
}

export interface UserStep<I extends z.ZodType = z.ZodType, O extends z.ZodType = z.ZodType> extends StepDefinition<
  I,
  O
> {
  readonly run: (input: z.output<I>, ctx: UserStepContext) => Promise<z.input<O>> | z.input<O>
}

/**
 * Defines a step of your own. It runs in a worker thread, is retried after crashes, and its result is cached by its
 * code, its input and nothing else: read nothing that is not in `input`.
 *
 * @example
 * const countWords = defineStep({
 *   name: 'count-words',
 *   input: z.object({ text: z.string() }),
 *   output: z.object({ words: z.int() }),
 *   run: ({ text }) => ({ words: text.split(/\s+/).filter(Boolean).length }),
 * })
 */
export function defineStep<I extends z.ZodType, O extends z.ZodType>(
  definition: Pick<UserStep<I, O>, 'name' | 'input' | 'output' | 'run'> & {
    readonly policy?: Partial<StepPolicy & { queue: 'cpu' | 'gpu' }>
  },
): UserStep<I, O> {
  const step: UserStep<I, O> = {
    kind: 'activity',
    ...definition,
    policy: { queue: 'cpu', timeout: '1h', ...definition.policy },
  }
  userSteps().set(step.name, step as unknown as UserStep)
  return step
}

/** The steps that the files loaded into this thread have defined, by name. */
export function userSteps(): Map<string, UserStep> {
  const holder = globalThis as unknown as Record<symbol, Map<string, UserStep> | undefined>
  return (holder[USER_STEPS] ??= new Map())
}

export function isUserStep(step: StepDefinition): step is UserStep {
  return 'run' in step
}
