/** The body of `snapshot-dataset`: fixes which version of a dataset a run works on. */
import type { StepContext } from '#core/execution'
import type { snapshotDataset as snapshotStep, StepInput, StepOutput } from '#core/steps'
import { resolveVersion } from './reader.ts'

/** @throws {PlatformError} `DATASET_NOT_FOUND`. */
export async function snapshotDataset(
  { dataset, ref }: StepInput<typeof snapshotStep>,
  ctx: Pick<StepContext, 'store'>,
): Promise<StepOutput<typeof snapshotStep>> {
  return resolveVersion(ctx.store, `${dataset}@${ref}`)
}
