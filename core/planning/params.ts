/** The parameters of a run: checked, read from text where they must be, and free of secrets. */

import type { z } from 'zod'
import { issueText, PlatformError } from '#core/errors'
import type { PipelineDefinition } from '#core/pipeline'
import { refuseSecrets } from './secrets.ts'

type Values = Readonly<Record<string, unknown>>

/** What a run of the pipeline may be given: its parameters, and its inputs as JSON under `inputs`. */
export function paramsSchema({ params, inputs }: PipelineDefinition): z.ZodObject {
  if (!inputs) return params
  const given = inputs.strict()
  return params.extend({ inputs: given.safeParse({}).success ? given.prefault({}) : given })
}

/**
 * Checks the parameters of a run; text values (from a command line) are read as JSON where the schema wants no text.
 *
 * @throws {PlatformError} `PIPELINE_PARAMS_INVALID`.
 */
export function parseParams(definition: PipelineDefinition, params: unknown): Record<string, unknown> {
  return parseValues(definition.name, paramsSchema(definition).strict(), params)
}

/** @param prefix - path of these parameters inside the plan, of a pipeline within another one. */
export function parseValues(
  pipeline: string,
  schema: z.ZodObject,
  params: unknown,
  prefix: readonly string[] = [],
): Record<string, unknown> {
  const given = (params ?? {}) as Values
  refuseSecrets(pipeline, given, prefix)
  const first = schema.safeParse(given)
  if (first.success) return first.data
  const second = schema.safeParse(retyped(given, first.error))
  if (second.success) return second.data
  throw new PlatformError(
    'PIPELINE_PARAMS_INVALID',
    `pipeline ${pipeline}, parameter ${issueText(second.error, [...prefix])}`,
    {
      pipeline,
      issues: second.error.issues.map(({ path, message }) => ({ path: [...prefix, ...path].join('.'), message })),
    },
  )
}

function retyped(given: Values, error: z.ZodError): Values {
  const read = { ...given }
  for (const { path } of error.issues) {
    const key = path[0]
    if (typeof key === 'string' && typeof given[key] === 'string') read[key] = readJson(given[key])
  }
  return read
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
