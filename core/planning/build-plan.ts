import { z } from 'zod'
import { issueText, PlatformError } from '#core/errors'
import {
  conditionRefs,
  forEachRef,
  PLAN_LIMITS,
  type Condition,
  type Json,
  type Plan,
  type PlanNode,
  type PlanRef,
} from '#core/plan'
import { canonicalJson, digestJson } from '#core/storage'
import type { StepDefinition } from '#core/steps'
import {
  isContainerStep,
  isUserStep,
  type PipelineDefinition,
  type StepFunction,
  type StepOptions,
} from '#core/pipeline'
import { containerOf } from './container.ts'
import { durationMs } from './duration.ts'
import { makeRef, refOf, toCondition } from '#core/pipeline'

/** Where the digests of code come from. */
export interface CodeVersions {
  /** Digest of the bundled pipeline file, and of the blob that holds it. */
  readonly pipeline: string
  readonly bundle: string | null
  /** Digest of everything that a built-in step's body is made of. */
  builtIn(step: string): string
}

/**
 * Runs `build` once with checked parameters and freezes what it describes.
 *
 * @throws {PlatformError} `PIPELINE_PARAMS_INVALID` with the path of the first wrong parameter, `PIPELINE_INVALID` for a
 *   definition that cannot be run, `PLAN_TOO_LARGE` beyond 2,000 nodes or 1 MB.
 */
export function buildPlan(definition: PipelineDefinition, params: unknown, code: CodeVersions): Plan {
  const parsed = parseParams(definition, params)
  const nodes: PlanNode[] = []
  const ids = new Set<string>()
  const step: StepFunction = (id, stepDefinition, input, options = {}) => {
    if (!/^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/.test(id))
      throw invalid(definition, `step id "${id}" must be lower-case letters, digits and hyphens, at most 40`)
    if (ids.has(id))
      throw invalid(definition, `step id "${id}" is used twice; ids name results, so each must be its own`)
    ids.add(id)
    nodes.push(makeNode(definition, id, stepDefinition, input, options, code))
    return makeRef(id)
  }
  definition.build({ params: parsed, step })
  return freezePlan(definition, parsed as Json, nodes, code)
}

function freezePlan(
  definition: PipelineDefinition,
  params: Json,
  nodes: readonly PlanNode[],
  code: CodeVersions,
): Plan {
  if (nodes.length === 0) throw invalid(definition, 'build adds no step')
  if (nodes.length > PLAN_LIMITS.nodes)
    throw new PlatformError(
      'PLAN_TOO_LARGE',
      `${nodes.length} nodes exceed the ${PLAN_LIMITS.nodes} of a plan; fan out with fewer, larger steps`,
    )
  const seen = new Set<string>()
  for (const node of nodes) {
    const missing = node.needs.find((need) => !seen.has(need))
    if (missing)
      throw invalid(definition, `step "${node.id}" reads "${missing}", which is not a step before it in this pipeline`)
    seen.add(node.id)
  }
  const content = { format: 1 as const, pipeline: definition.name, codeVersion: code.pipeline, params, nodes }
  const bytes = canonicalJson(content).length
  if (bytes > PLAN_LIMITS.bytes)
    throw new PlatformError(
      'PLAN_TOO_LARGE',
      `the plan has ${bytes} bytes, ${PLAN_LIMITS.bytes} at most; pass large inputs as artifacts`,
    )
  return { ...content, digest: digestJson(content) }
}

function makeNode(
  pipeline: PipelineDefinition,
  id: string,
  step: StepDefinition,
  input: unknown,
  options: StepOptions,
  code: CodeVersions,
): PlanNode {
  const plain = plainInput(input)
  checkLiterals(pipeline, id, step, plain)
  const when: Condition | null = options.when === undefined ? null : toCondition(options.when)
  const needs = new Set<string>()
  forEachRef(plain, (ref) => needs.add(ref.$ref))
  for (const ref of when ? conditionRefs(when) : []) needs.add(ref.$ref)
  const { gpus = 0 } = options
  const isOwn = isUserStep(step) || isContainerStep(step)
  const container = isContainerStep(step) ? containerOf(pipeline.name, step, gpus) : null
  return {
    id,
    step: step.name,
    kind: step.kind,
    input: step.fixed
      ? { ...(plain as Record<string, Json>), ...(plainInput(step.fixed) as Record<string, Json>) }
      : plain,
    needs: [...needs].sort(),
    when,
    policy: {
      queue: gpus > 0 ? 'gpu' : step.policy.queue,
      timeoutMs: durationMs(options.timeout ?? step.policy.timeout),
      attempts: options.attempts ?? step.policy.attempts ?? 20,
      cache: (options.cache ?? true) && (step.policy.cache ?? true),
      ...(gpus > 0 ? { gpus } : {}),
    },
    codeVersion: container
      ? digestJson({ container, bundle: code.pipeline })
      : isOwn
        ? code.pipeline
        : code.builtIn(step.name),
    bundle: isOwn ? code.bundle : null,
    ...(container ? { container } : {}),
  }
}

/** References become `PlanRef`s, undefined fields vanish, everything else must be JSON. */
function plainInput(input: unknown): Json {
  const ref = refOf(input)
  if (ref) return { $ref: ref.$ref, path: ref.path }
  if (Array.isArray(input)) return input.map(plainInput)
  if (typeof input === 'object' && input !== null)
    return Object.fromEntries(
      Object.entries(input)
        .filter(([, field]) => field !== undefined)
        .map(([key, field]) => [key, plainInput(field)]),
    )
  return input as Json
}

/** Checks at submit what is known at submit: field names, and every field that holds no reference. */
function checkLiterals(pipeline: PipelineDefinition, id: string, step: StepDefinition, input: Json): void {
  if (!(step.input instanceof z.ZodObject)) return
  const shape = step.input.shape as Record<string, z.ZodType>
  const fields = input as Readonly<Record<string, Json | PlanRef>>
  for (const [key, field] of Object.entries(fields)) {
    const schema = shape[key]
    if (!schema)
      throw invalid(
        pipeline,
        `step "${id}": ${step.name} has no input "${key}"; it has ${Object.keys(shape).join(', ')}`,
      )
    if (hasRef(field)) continue
    const result = schema.safeParse(field)
    if (!result.success) throw invalid(pipeline, `step "${id}", input ${issueText(result.error, [key])}`)
  }
}

function hasRef(value: Json | PlanRef): boolean {
  let found = false
  forEachRef(value, () => (found = true))
  return found
}

/** Checks the parameters of a run; text values (from a command line) are read as JSON where the schema wants no text. */
export function parseParams(definition: PipelineDefinition, params: unknown): Record<string, unknown> {
  const schema = definition.params.strict()
  const given = (params ?? {}) as Record<string, unknown>
  const first = schema.safeParse(given)
  if (first.success) return first.data
  const retyped = { ...given }
  for (const issue of first.error.issues) {
    const key = issue.path[0]
    if (typeof key === 'string' && typeof given[key] === 'string') retyped[key] = readJson(given[key])
  }
  const second = schema.safeParse(retyped)
  if (second.success) return second.data
  throw new PlatformError(
    'PIPELINE_PARAMS_INVALID',
    `pipeline ${definition.name}, parameter ${issueText(second.error)}`,
    {
      pipeline: definition.name,
      issues: second.error.issues.map(({ path, message }) => ({ path: path.join('.'), message })),
    },
  )
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

function invalid(definition: PipelineDefinition, message: string): PlatformError {
  return new PlatformError('PIPELINE_INVALID', `pipeline ${definition.name}: ${message}`, { pipeline: definition.name })
}
