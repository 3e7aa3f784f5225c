import type { z } from 'zod'

/** How a step is run. Durations as in pipelines: '30s', '10m', '2h', '14d'. */
export interface StepPolicy {
  /** The class of machine: `pipeline` for milliseconds, `cpu` for work, `gpu` where there is one. */
  readonly queue: 'pipeline' | 'cpu' | 'gpu'
  /** From schedule to close, all attempts together. */
  readonly timeout: string
  readonly attempts?: number
  /** Whether an equal result of an earlier run may stand in. */
  readonly cache?: boolean
  /**
   * A matter of milliseconds: carried out between two look-ups, without an activity of its own. False: always with one;
   * left out: as its last run here was.
   */
  readonly quick?: boolean
}

/** What a step is, without its body. Built-in bodies live in `core/execution`; a user's step carries its own. */
export interface StepDefinition<I extends z.ZodType = z.ZodType, O extends z.ZodType = z.ZodType> {
  readonly name: string
  /** Activities do; `annotate` and `approve` wait for people and are run by the workflow itself. */
  readonly kind: 'activity' | 'annotate' | 'approve'
  readonly input: I
  readonly output: O
  readonly policy: StepPolicy
  /** The result depends on the images and splits of `version`, not on its labels: new labels do not make it stale. */
  readonly ignoresLabels?: boolean
  /** Inputs that name local files: the bytes of the file count, not its name. */
  readonly files?: readonly string[]
  /** Inputs that, where given, keep an equal result of an earlier run from standing in. */
  readonly alwaysRunsWith?: readonly string[]
  /** Of a user's step: the file that defines it, relative to the project. */
  readonly file?: string
  /** Inputs that the definition itself gives: JSON, part of every use of the step. */
  readonly fixed?: Readonly<Record<string, unknown>>
}

export type StepInput<S extends StepDefinition> = z.output<S['input']>
export type StepOutput<S extends StepDefinition> = z.output<S['output']>

export function defineBuiltIn<I extends z.ZodType, O extends z.ZodType>(
  definition: Omit<StepDefinition<I, O>, 'kind'> & { readonly kind?: StepDefinition['kind'] },
): StepDefinition<I, O> {
  return { kind: 'activity', ...definition }
}
