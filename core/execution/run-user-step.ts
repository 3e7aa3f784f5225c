/** Carries out one step of a user's: their bundle is loaded, input and output are checked against the step's schemas. */

import { issueText, PlatformError } from '#core/errors'
import type { StepDefinition } from '#core/steps'
import type { StepContext } from './context.ts'
import type { BodyRequest } from './run-body.ts'
import { userContext } from './user-context.ts'

/**
 * The output as the step's schema parses it; with `check`, only the parsed input or output.
 * Throws `INVALID_INPUT`, `STEP_OUTPUT_INVALID`, `PIPELINE_INVALID`, and what the step throws.
 */
export async function runUserStep(request: BodyRequest, bundle: string, ctx: StepContext): Promise<unknown> {
  const [{ readBlob }, { importBundle }, { userSteps }] = await Promise.all([
    import('#core/storage'),
    import('#core/planning'),
    // The same instance that the bundle imports as `gyre/pipeline`: both register steps in one place per thread.
    import('#core/pipeline'),
  ])
  await importBundle(await readBlob(ctx.store, bundle), bundle, request.bundleDir, `the bundle of step ${request.step}`)
  const step = userSteps(bundle).get(request.step)
  if (!step)
    throw new PlatformError('PIPELINE_INVALID', `the bundle does not define step "${request.step}"`, {
      step: request.step,
    })
  if (request.check === 'output') return parseOutput(step, request.input)
  const input = step.input.safeParse(request.input)
  if (!input.success) throw new PlatformError('INVALID_INPUT', `step ${step.name}, input ${issueText(input.error)}`)
  if (request.check === 'input') return input.data
  if (!('run' in step))
    throw new PlatformError('PIPELINE_INVALID', `step ${step.name} has no body, only a container`, { step: step.name })
  return parseOutput(step, await step.run(input.data, userContext(ctx)))
}

function parseOutput({ name, output }: Pick<StepDefinition, 'name' | 'output'>, value: unknown): unknown {
  const parsed = output.safeParse(value)
  if (!parsed.success)
    throw new PlatformError('STEP_OUTPUT_INVALID', `step ${name} returned ${issueText(parsed.error)}`)
  return parsed.data
}
