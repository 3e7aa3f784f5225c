import type { z } from 'zod'
import type { StepDefinition, StepPolicy } from '#core/steps'
import type { Logger } from '#core/log'
import type { ObjectStore } from '#core/storage'
import type { Progress } from '#core/execution'
import type { PlanContainer } from '#core/plan'
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

/** A step that is a command in any image: Python, CUDA, a vendor's tool. */
export interface ContainerStep<I extends z.ZodType = z.ZodType, O extends z.ZodType = z.ZodType> extends StepDefinition<
  I,
  O
> {
  readonly container: PlanContainer
}

/**
 * Defines a step whose work is done by a command in an image of yours. On a cluster it runs as a Job; where there is
 * none, the command runs as a child process of the worker, and the image is not used.
 *
 * The command finds its input as JSON in `$GYRE_INPUT/input.json`, and each blob that the input refers to as a file
 * `$GYRE_INPUT/<its sha256>`. It leaves its result as JSON in `$GYRE_OUTPUT/output.json`; `files` that it leaves beside it
 * are kept as blobs and become `files: { name: blob }` of the result. `output` checks the whole. Lines
 * `{"progress": {"done": 3, "total": 10, "unit": "epochs"}}` on its standard output are shown on the run page. Exit codes: 0
 * done, 75 try again, 76 stopped on SIGTERM with a checkpoint; any other one is a failure, with the last line of its standard error as the cause.
 *
 * The result is cached by image, command, input and the pipeline's file: name images by digest, since a tag may move.
 *
 * @example
 * const quantize = defineContainerStep({
 *   name: 'quantize',
 *   input: z.object({ model: artifacts.blobRef, bits: z.int() }),
 *   output: z.object({ error: z.number(), files: z.object({ 'model.onnx': artifacts.blobRef }) }),
 *   image: 'registry.example/quantize@sha256:4f5c…',
 *   command: ['python', '/app/quantize.py'],
 *   resources: { cpu: '4', memory: '8Gi' },
 *   files: ['model.onnx'],
 * })
 */
export function defineContainerStep<I extends z.ZodType, O extends z.ZodType>({
  name,
  input,
  output,
  policy,
  ...container
}: Pick<ContainerStep<I, O>, 'name' | 'input' | 'output'> &
  PlanContainer & { readonly policy?: Partial<StepPolicy & { queue: 'cpu' | 'gpu' }> }): ContainerStep<I, O> {
  const step: ContainerStep<I, O> = {
    kind: 'activity',
    name,
    input,
    output,
    container,
    policy: { queue: (container.resources?.gpus ?? 0) > 0 ? 'gpu' : 'cpu', timeout: '24h', ...policy },
  }
  userSteps().set(name, step as unknown as ContainerStep)
  return step
}

/** The steps that the files loaded into this thread have defined, by name. */
export function userSteps(): Map<string, UserStep | ContainerStep> {
  const holder = globalThis as unknown as Record<symbol, Map<string, UserStep | ContainerStep> | undefined>
  return (holder[USER_STEPS] ??= new Map())
}

export function isContainerStep(step: StepDefinition): step is ContainerStep {
  return 'container' in step
}

export function isUserStep(step: StepDefinition): step is UserStep {
  return 'run' in step
}
