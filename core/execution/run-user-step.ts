/** Carries out one step of a user's: their bundle is loaded, input and output are checked against the step's schemas. */

import { issueText, PlatformError } from '#core/errors'
import type { userSteps } from '#core/pipeline'
import type { StepDefinition } from '#core/steps'
import type { StepContext } from './context.ts'
import type { BodyRequest } from './run-body.ts'
import type { ItemBody } from './run-items.ts'
import { userContext } from './user-context.ts'

/**
 * The output as the step's schema parses it; with `check`, only the parsed input or output.
 * Throws `INVALID_INPUT`, `STEP_OUTPUT_INVALID`, `PIPELINE_INVALID`, and what the step throws.
 */
export async function runUserStep(request: BodyRequest, bundle: string, ctx: StepContext): Promise<unknown> {
  const step = await stepOf(request, bundle, ctx)
  if (request.check === 'output') return parseOutput(step, request.input)
  const input = parseInput(step, request.input)
  if (request.check === 'input') return input
  return parseOutput(step, await bodyOf(step)(input, userContext(ctx)))
}

/** As `runUserStep`, once per item of a map. */
export async function userItemBody(request: BodyRequest, bundle: string, ctx: StepContext): Promise<ItemBody> {
  const step = await stepOf(request, bundle, ctx)
  const run = bodyOf(step)
  return async ({ index, input }) => parseOutput(step, await run(parseInput(step, input), userContext(ctx, index)))
}

type OwnStep = ReturnType<typeof userSteps> extends ReadonlyMap<string, infer Step> ? Step : never

/** Loaded once per thread: a warm one carries out many steps of a bundle. */
const loaded = new Map<string, Promise<ReadonlyMap<string, OwnStep>>>()

async function stepOf({ step: name, bundleDir }: BodyRequest, bundle: string, ctx: StepContext): Promise<OwnStep> {
  const loading = loaded.get(bundle) ?? load(ctx, bundle, bundleDir, name)
  loaded.set(bundle, loading)
  loading.catch(() => loaded.delete(bundle))
  const step = (await loading).get(name)
  if (step) return step
  throw new PlatformError('PIPELINE_INVALID', `the bundle does not define step "${name}"`, { step: name })
}

async function load(ctx: StepContext, bundle: string, bundleDir: string, step: string) {
  const [{ readBlob }, { importBundle }, own] = await Promise.all([
    import('#core/storage'),
    import('#core/planning'),
    // The same instance that the bundle imports as `gyre/pipeline`: both register steps in one place per thread.
    import('#core/pipeline'),
  ])
  await importBundle(await readBlob(ctx.store, bundle), bundle, bundleDir, `the bundle of step ${step}`)
  return own.userSteps(bundle)
}

function bodyOf(step: OwnStep) {
  if ('run' in step) return step.run
  throw new PlatformError('PIPELINE_INVALID', `step ${step.name} has no body, only a container`, { step: step.name })
}

function parseInput({ name, input }: Pick<StepDefinition, 'name' | 'input'>, value: unknown): unknown {
  const parsed = input.safeParse(value)
  if (!parsed.success) throw new PlatformError('INVALID_INPUT', `step ${name}, input ${issueText(parsed.error)}`)
  return parsed.data
}

function parseOutput({ name, output }: Pick<StepDefinition, 'name' | 'output'>, value: unknown): unknown {
  const parsed = output.safeParse(value)
  if (!parsed.success)
    throw new PlatformError('STEP_OUTPUT_INVALID', `step ${name} returned ${issueText(parsed.error)}`)
  return parsed.data
}
