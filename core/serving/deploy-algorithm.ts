import type { ServiceHost } from '#core/compute'
import { algorithmParams } from '#core/algorithm'
import type { StepContext } from '#core/execution'
import { resolveModel } from '#core/registry'
import type { Endpoint } from '#core/steps'
import { putBlob } from '#core/storage'
import { rollOut } from './deploy.ts'
import { revisionRecord } from './endpoints.ts'

export interface AlgorithmDeployment {
  /** Path of the algorithm file. */
  readonly file: string
  /** Values for its parameters; defaults fill the rest. */
  readonly params?: unknown
  readonly replicas?: number
  readonly queueLimit?: number
}

/**
 * Rolls an algorithm out behind an endpoint of its own name, over the model that it names as that is now.
 *
 * @throws {PlatformError} `ALGORITHM_INVALID`, `INVALID_INPUT` for a parameter, `MODEL_NOT_FOUND`, and as `deployEndpoint`.
 */
export async function deployAlgorithm(
  { file, params = {}, replicas = 2, queueLimit = 256 }: AlgorithmDeployment,
  ctx: Pick<StepContext, 'store' | 'signal' | 'progress'>,
  services: ServiceHost,
): Promise<Endpoint> {
  const { loadAlgorithm } = await import('#adapter/algorithm/load')
  const { definition, bundle } = await loadAlgorithm(file)
  const { name, version, digest } = await resolveModel(ctx.store, definition.model)
  const algorithm = revisionRecord.shape.algorithm.parse({
    bundle: (await putBlob(ctx.store, bundle)).sha256,
    params: algorithmParams(definition, params),
  })
  const model = { name, version, digest }
  const capture = { captureBytes: 0, captureDataset: null }
  return rollOut({ endpoint: definition.name, model, replicas, queueLimit, ...capture, algorithm }, ctx, services)
}
