/** An algorithm file as it goes to the stack: one bundle with all it imports, and checked parameters. */
import { z } from 'zod'
import { algorithmParams, type AlgorithmDefinition } from '#core/algorithm'
import { parseParams } from './params.ts'

export interface SentAlgorithm {
  readonly bundle: string
  readonly params: Readonly<Record<string, unknown>>
}

/**
 * @param pairs - parameters as `key=value`.
 * @throws {PlatformError} `ALGORITHM_INVALID`; `INVALID_INPUT` with the path of a parameter that does not fit.
 */
export async function bundleAlgorithm(
  file: string,
  pairs: readonly string[],
): Promise<{ readonly definition: AlgorithmDefinition; readonly algorithm: SentAlgorithm }> {
  const { loadAlgorithm } = await import('#adapter/algorithm/load')
  const { definition, bundle } = await loadAlgorithm(file)
  const params = parseParams(pairs, z.toJSONSchema(definition.params, { io: 'input', unrepresentable: 'any' }))
  algorithmParams(definition, params)
  return { definition, algorithm: { bundle: Buffer.from(bundle).toString('base64'), params } }
}
