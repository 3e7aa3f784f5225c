/** `--param key=value` as the values that a pipeline's parameters want. */
import path from 'node:path'
import { z } from 'zod'
import { PlatformError } from '#core/errors'

const objectSchema = z.object({
  properties: z.record(z.string(), z.object({ type: z.string().optional() }).loose()).default({}),
})

/**
 * A parameter declared as text stays text; a list may be given with commas; all else is read as JSON where it is JSON.
 *
 * @param schema - JSON schema of the pipeline's parameters.
 * @throws {PlatformError} `INVALID_INPUT` for a pair without `=`.
 */
export function parseParams(pairs: readonly string[], schema: unknown): Record<string, unknown> {
  const { properties } = objectSchema.catch({ properties: {} }).parse(schema)
  return Object.fromEntries(
    pairs.map((pair) => {
      const equals = pair.indexOf('=')
      if (equals < 1)
        throw new PlatformError('INVALID_INPUT', `--param "${pair}" is not key=value; write for example --param seed=7`)
      const key = pair.slice(0, equals)
      return [key, valueOf(pair.slice(equals + 1), properties[key]?.type)]
    }),
  )
}

function valueOf(text: string, type: string | undefined): unknown {
  // The work happens in another process: a path is meant from here.
  if (type === 'string') return /^\.{1,2}(\/|$)/.test(text) ? path.resolve(text) : text
  if (type === 'array' && !text.startsWith('[')) return text.split(',').map((item) => item.trim())
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
