import type { z } from 'zod'
import type { StepDefinition, Table } from '#core/steps'
import type { When } from './conditions.ts'
import type { MapOptions, StepOptions } from './options.ts'
import type { Ref } from './ref.ts'
import type { Fitting, FittingOver, ItemOf } from './wiring.ts'
import type { Trigger } from './triggers.ts'

/** Adds nodes to the plan and returns references to what they will give. Ids are durable: renaming one is a migration. */
export interface StepFunction {
  /** One node. */
  <I extends z.ZodType, O extends z.ZodType, const Given>(
    id: string,
    step: StepDefinition<I, O>,
    input: Fitting<z.input<I>, Given>,
    options?: StepOptions<Extract<keyof z.input<I>, string>>,
  ): Ref<z.output<O>>

  /**
   * One node that carries the step out once per item, and gives a table with one row per item, in their order.
   *
   * @example
   * const sizes = step.map('measure', measure, { over: files, input: (file) => ({ path: file.path }) }, { atLeast: 0.95 })
   */
  map<I extends z.ZodType, O extends z.ZodType, const Over, const Given>(
    id: string,
    step: StepDefinition<I, O>,
    each: {
      /** A list, or a reference to a list or to a table. */
      readonly over: Over extends FittingOver<Over> ? Over : FittingOver<Over>
      /** The step's input for one item; called once, at submit. */
      readonly input: (item: Ref<ItemOf<Over>>) => Fitting<z.input<I>, Given>
    },
    options?: MapOptions<Extract<keyof z.input<I>, string>>,
  ): Ref<Table<z.output<O>>>

  /**
   * The nodes of another pipeline, as `id.<node>`. Gives what its `build` returns.
   *
   * @param given - `params` are values; `inputs` may be references.
   */
  pipeline<P extends z.ZodObject, I extends z.ZodObject, Outputs, const Given>(
    id: string,
    definition: PipelineDefinition<P, I, Outputs>,
    given: Needed<'params', z.input<P>, z.input<P>> & Needed<'inputs', z.input<I>, Fitting<z.input<I>, Given>>,
    options?: { readonly when?: When },
  ): Outputs
}

/** A field that may be left out where nothing in it is required. */
type Needed<Name extends string, Wanted, Given> =
  Record<never, never> extends Wanted ? { readonly [K in Name]?: Given } : { readonly [K in Name]: Given }

export interface BuildTools<P extends z.ZodObject, I extends z.ZodObject> {
  /** Values, checked: ordinary `if`s and loops may read them. */
  readonly params: z.output<P>
  /** References: their values may come from other steps. */
  readonly inputs: { readonly [K in keyof z.output<I>]: Ref<z.output<I>[K]> }
  readonly step: StepFunction
}

// eslint-disable-next-line @typescript-eslint/no-empty-object-type -- a pipeline without inputs
export type NoInputs = z.ZodObject<{}>

export interface PipelineDefinition<
  P extends z.ZodObject = z.ZodObject,
  I extends z.ZodObject = z.ZodObject,
  O = unknown,
> {
  readonly name: string
  /** One sentence for lists; the first sentence of the file's opening comment is a good one. */
  readonly description?: string
  /** One of `triggers`, as it was written before there could be several. */
  readonly trigger?: Trigger
  /** What starts runs without a person. */
  readonly triggers?: readonly Trigger[]
  readonly params: P
  /**
   * What other pipelines pass on to this one with `step.pipeline`. Where it is started by itself, they are given as the
   * parameter `inputs`.
   */
  readonly inputs?: I
  /** Runs once, at submit. Ordinary values, ordinary loops; every arrow is a variable. Returns what other pipelines may read. */
  build(tools: BuildTools<P, I>): O
}

const PIPELINE = Symbol.for('gyre.pipeline')

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
export function definePipeline<P extends z.ZodObject, I extends z.ZodObject = NoInputs, O = void>(
  definition: PipelineDefinition<P, I, O>,
): PipelineDefinition<P, I, O> {
  return Object.assign({ [PIPELINE]: true }, definition)
}

export function isPipeline(candidate: unknown): candidate is PipelineDefinition {
  return typeof candidate === 'object' && candidate !== null && PIPELINE in candidate
}
