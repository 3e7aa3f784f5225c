import type { StepContext } from '#core/execution'
import type { StepInput, StepOutput, collectCaptured as definition } from '#core/steps'
import type { ObjectStore } from '#core/storage'
import { capturedImages, type CapturedImage } from './captures.ts'

type Context = Pick<StepContext, 'store' | 'runId' | 'nodeId' | 'signal' | 'scratchDir' | 'progress'>

/**
 * Takes what an endpoint captured into the dataset, as unlabelled images, then forgets the captures: their bytes are
 * free for new ones. A crash between the two costs nothing: the dataset knows its images by their content.
 */
export async function collectCaptured(
  { dataset, endpoint }: StepInput<typeof definition>,
  { store, runId, nodeId, signal, scratchDir, progress }: Context,
): Promise<StepOutput<typeof definition>> {
  const [{ resolveVersion }, { addImages }] = await Promise.all([import('#core/datasets'), import('#core/imports')])
  const captured: CapturedImage[] = []
  for await (const image of capturedImages(store, `captures/${endpoint}/`)) captured.push(image)
  if (captured.length === 0) return { ...(await resolveVersion(store, dataset)), added: 0 }
  const { kind, version, images, added } = await addImages(store, dataset, filesOf(store, captured), {
    by: `run ${runId} ${nodeId}`,
    note: `captured by endpoint ${endpoint}`,
    signal,
    scratchDir,
    progress,
  })
  for (const { key } of captured) {
    await store.delete(key)
    await store.delete(`${key}.json`)
  }
  return { kind, dataset, version, images, added }
}

async function* filesOf(store: ObjectStore, captured: readonly CapturedImage[]) {
  for (const { key, digest } of captured) yield { name: `captured/${digest}`, bytes: await store.get(key) }
}
