/** Steps of a user's own: a body in TypeScript, or a command in an image. */

import type { z } from 'zod'
import type { PlanContainer } from '#core/plan'
import type { StepDefinition, StepPolicy } from '#core/steps'
import type { UserStepContext } from './context.ts'

const USER_STEPS = Symbol.for('gyre.user-steps')
/** Set by each file of a bundle before its body runs, and by each bundle (`core/planning/bundle.ts`, `load.ts`). */
const DEFINING_FILE = Symbol.for('gyre.defining-file')
const DEFINING_BUNDLE = Symbol.for('gyre.defining-bundle')
const DEFINING_FILES = Symbol.for('gyre.defining-files')

export interface UserStep<I extends z.ZodType = z.ZodType, O extends z.ZodType = z.ZodType> extends StepDefinition<
  I,
  O
> {
  readonly run: (input: z.output<I>, ctx: UserStepContext) => Promise<z.input<O>> | z.input<O>
}

/** `quick` is for what takes milliseconds and waits for nothing: it runs in the pipeline worker itself. */
type OwnPolicy = Partial<Omit<StepPolicy, 'queue'> & { readonly queue: 'cpu' | 'gpu' }>

/**
 * Defines a step of your own. It runs in a worker thread, is retried after crashes, and its result is cached by its
 * code, its input and nothing else: read nothing that is not in `input`. Its code is the file that calls this, with
 * everything which that file imports.
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
  definition: Pick<UserStep<I, O>, 'name' | 'input' | 'output' | 'run'> & { readonly policy?: OwnPolicy },
): UserStep<I, O> {
  const { policy } = definition
  const step: UserStep<I, O> = {
    kind: 'activity',
    ...definition,
    policy: { queue: policy?.quick ? 'pipeline' : 'cpu', timeout: policy?.quick ? '1m' : '1h', ...policy },
    ...definingFile(),
  }
  register(step as unknown as UserStep)
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
  PlanContainer & { readonly policy?: Omit<OwnPolicy, 'quick'> }): ContainerStep<I, O> {
  const step: ContainerStep<I, O> = {
    kind: 'activity',
    name,
    input,
    output,
    container,
    policy: { queue: (container.resources?.gpus ?? 0) > 0 ? 'gpu' : 'cpu', timeout: '24h', ...policy },
    ...definingFile(),
  }
  register(step as unknown as ContainerStep)
  return step
}

function definingFile(): { readonly file?: string } {
  const file = globals()[DEFINING_FILE] as string | undefined
  if (file === undefined) return {}
  definingFiles().add(file)
  return { file }
}

/** The files, relative to their projects, that have defined a step in this thread. */
export function definingFiles(): Set<string> {
  return (globals()[DEFINING_FILES] ??= new Set<string>()) as Set<string>
}

type OwnStep = UserStep | ContainerStep

function register(step: OwnStep): void {
  const bundle = globals()[DEFINING_BUNDLE] as string | undefined
  for (const key of bundle === undefined ? [''] : ['', bundle])
    registry().set(key, (registry().get(key) ?? new Map<string, OwnStep>()).set(step.name, step))
}

/**
 * The steps that files loaded into this thread have defined, by name.
 *
 * @param bundle - digest of the bundle whose steps are meant; several may define the same name.
 */
export function userSteps(bundle = ''): ReadonlyMap<string, OwnStep> {
  return registry().get(bundle) ?? registry().get('') ?? new Map<string, OwnStep>()
}

/** By bundle; under '' whatever was defined last. */
const registry = (): Map<string, Map<string, OwnStep>> =>
  (globals()[USER_STEPS] ??= new Map()) as Map<string, Map<string, OwnStep>>

/** Shared by all instances of this module in a thread: that of the process, and the one that bundles import. */
const globals = (): Record<symbol, unknown> => globalThis as unknown as Record<symbol, unknown>

export function isContainerStep(step: StepDefinition): step is ContainerStep {
  return 'container' in step
}

export function isUserStep(step: StepDefinition): step is UserStep {
  return 'run' in step
}
