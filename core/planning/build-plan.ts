import { PlatformError } from '#core/errors'
import type { PipelineDefinition } from '#core/pipeline'
import { PLAN_LIMITS, type Json, type Plan, type PlanNode } from '#core/plan'
import { canonicalJson, digestJson } from '#core/storage'
import { parseParams } from './params.ts'
import { PlanBuilder } from './plan-builder.ts'

/** Where the digests of code come from, and where in it a failure lies. */
export interface CodeVersions {
  /** Digest of the bundled pipeline file, and of the blob that holds it. */
  readonly pipeline: string
  readonly bundle: string | null
  /** Digest of everything that a built-in step's body is made of. */
  builtIn(step: string): string
  /** Digest of the bundle of a file that defines steps; undefined: that of the pipeline counts. */
  stepFile?(file: string): string | undefined
  /** `pipelines/hello.ts:12`: where in the user's sources an error was thrown. */
  placeOf?(error: unknown): string | null
}

/**
 * Runs `build` once with checked parameters and freezes what it describes.
 *
 * @throws {PlatformError} `PIPELINE_PARAMS_INVALID` with the path of the first wrong parameter, `PIPELINE_INVALID` for a
 *   definition that cannot be run, `PLAN_TOO_LARGE` beyond 2,000 nodes or 1 MB.
 */
export function buildPlan(definition: PipelineDefinition, params: unknown, code: CodeVersions): Plan {
  const parsed = parseParams(definition, params)
  const builder = new PlanBuilder(definition, code)
  try {
    const { inputs, ...own } = parsed
    if (definition.inputs) builder.build(own, inputs as Readonly<Record<string, Json>>)
    else builder.build(parsed, {})
  } catch (error) {
    throw builder.failure(error)
  }
  return freezePlan(definition, parsed as Json, builder.nodes, code)
}

function freezePlan({ name }: PipelineDefinition, params: Json, nodes: readonly PlanNode[], code: CodeVersions): Plan {
  if (nodes.length === 0)
    throw new PlatformError('PIPELINE_INVALID', `pipeline ${name}: build adds no step`, { pipeline: name })
  if (nodes.length > PLAN_LIMITS.nodes)
    throw new PlatformError(
      'PLAN_TOO_LARGE',
      `${nodes.length} nodes exceed the ${PLAN_LIMITS.nodes} of a plan; fan out with step.map`,
    )
  const content = { format: formatOf(nodes), pipeline: name, codeVersion: code.pipeline, params, nodes }
  const bytes = canonicalJson(content).length
  if (bytes > PLAN_LIMITS.bytes)
    throw new PlatformError(
      'PLAN_TOO_LARGE',
      `the plan has ${bytes} bytes, ${PLAN_LIMITS.bytes} at most; pass large inputs as artifacts`,
    )
  return { ...content, digest: digestJson(content) }
}

/** The oldest format that can say it, so that a worker of the release before still carries out what it can. */
function formatOf(nodes: readonly PlanNode[]): Plan['format'] {
  const isNew = ({ map, policy: { salt, ignore, quick } }: PlanNode): boolean =>
    [map, salt, ignore, quick].some((said) => said !== undefined)
  return nodes.some(isNew) ? 2 : 1
}
