import { PlatformError, toPlatformError } from '#core/errors'
import { dropDamagedBlob } from '#core/reuse'
import type { ObjectStore } from '#core/storage'

/** Passes a failure on; where a damaged artifact is its cause, a resume computes the steps that made it again. */
export async function afterRepair(store: ObjectStore, run: string, error: unknown): Promise<Error> {
  const { code, message, details } = toPlatformError(error)
  const sha256 = details.sha256
  if (code !== 'OBJECT_CORRUPT' || typeof sha256 !== 'string') return error as Error
  const nodes = await dropDamagedBlob(store, run, sha256)
  if (nodes.length === 0) return error as Error
  const [what] = message.split('; ')
  const remedy = `./gyre run resume ${run} computes ${nodes.join(', ')} again`
  return new PlatformError('OBJECT_CORRUPT', `${what}; ${remedy}`, { ...details, nodes }, { cause: error })
}
