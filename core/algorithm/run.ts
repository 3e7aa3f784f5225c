/** Evaluates the bundle of an algorithm file and calls its `predict`, checking what it says. */

import type { z } from 'zod'
import { PlatformError } from '#core/errors'
import { isAlgorithm, type AlgorithmDefinition, type AlgorithmModel, type ImageTensor, type Scores } from './define.ts'

/** What a replica calls: pixels uint8 [count, H, W, 3] → one JSON text per image. */
export type RunAlgorithm = (images: ImageTensor, model: AlgorithmModel) => Promise<readonly string[]>

/**
 * @param bundle - one ES module that imports nothing but Node's own modules.
 * @throws {PlatformError} `ALGORITHM_INVALID` when it cannot be evaluated or defines no usable algorithm.
 */
export async function openAlgorithm(bundle: Uint8Array, shownAs = 'the bundle'): Promise<AlgorithmDefinition> {
  const url = `data:text/javascript;base64,${Buffer.from(bundle).toString('base64')}`
  const module = await import(url).catch((error: Error) => {
    throw new PlatformError(
      'ALGORITHM_INVALID',
      `${shownAs} fails when it is loaded: ${error.message}`,
      {},
      { cause: error },
    )
  })
  const definition: unknown = (module as { default?: unknown }).default
  if (!isAlgorithm(definition))
    throw new PlatformError('ALGORITHM_INVALID', `${shownAs} has no default export made by defineAlgorithm; export one`)
  return definition
}

/** @throws {PlatformError} `INVALID_INPUT` with the path of a parameter that does not fit or is unknown. */
export function algorithmParams(definition: AlgorithmDefinition, params: unknown): Record<string, unknown> {
  const parsed = strict(definition.params).safeParse(params)
  if (parsed.success) return parsed.data as Record<string, unknown>
  throw new PlatformError('INVALID_INPUT', `algorithm ${definition.name}, parameter ${firstIssue(parsed.error)}`)
}

/**
 * @param params - raw values; defaults are filled in.
 * @returns a function that throws `ALGORITHM_FAILED` when `predict` throws or says something of the wrong shape.
 */
export function runnerOf(definition: AlgorithmDefinition, params: unknown): RunAlgorithm {
  const values = algorithmParams(definition, params)
  return async (images, model) => {
    const outputs = await definition.predict(images, { model, params: values }).catch((cause: unknown) => {
      throw failed(definition, `threw: ${cause instanceof Error ? cause.message : String(cause)}`, cause)
    })
    if (!Array.isArray(outputs) || outputs.length !== images.count)
      throw failed(
        definition,
        `returned ${Array.isArray(outputs) ? outputs.length : 'no list of'} outputs for ${images.count} images`,
      )
    return outputs.map((output: unknown, i) => {
      const parsed = definition.output.safeParse(output)
      if (!parsed.success) throw failed(definition, `returned for image ${i}: ${firstIssue(parsed.error)}`)
      return JSON.stringify(parsed.data)
    })
  }
}

/** Wraps raw scores, float32 [rows, columns]. */
export function scoresOf(data: Float32Array, columns: number): Scores {
  const rows = data.length / columns
  return {
    rows,
    columns,
    data,
    row: (image) => Array.from(data.subarray(image * columns, (image + 1) * columns)),
    column: (index) => Array.from({ length: rows }, (_, i) => data[i * columns + index] ?? NaN),
  }
}

/** A misspelt parameter must not pass for one left out. The bundle has a zod of its own, so no `instanceof` tells objects. */
function strict(schema: z.ZodType): z.ZodType {
  return 'strict' in schema && typeof schema.strict === 'function' ? (schema as z.ZodObject).strict() : schema
}

/** Names of the fields of an output; null where it is no object. */
export function outputFields({ output }: AlgorithmDefinition): readonly string[] | null {
  return 'shape' in output ? Object.keys(output.shape as object) : null
}

function failed({ name }: AlgorithmDefinition, what: string, cause?: unknown): PlatformError {
  return new PlatformError('ALGORITHM_FAILED', `algorithm ${name} ${what}`, { algorithm: name }, { cause })
}

function firstIssue(error: { issues: readonly { path: readonly PropertyKey[]; message: string }[] }): string {
  const [issue] = error.issues
  return `${issue?.path.join('.') || 'value'}: ${issue?.message ?? 'invalid'}`
}
