/** The bodies of the steps that look after the store. */

import { PlatformError } from '#core/errors'
import type { StepContext } from '#core/execution'
import type {
  collectGarbage as collectStep,
  deleteImage as deleteStep,
  StepInput,
  StepOutput,
  verifyDataset as verifyStep,
} from '#core/steps'
import { movePointer, readPointer, type ObjectStore } from '#core/storage'
import { collectGarbage } from './collect.ts'
import { deleteImage } from './delete-image.ts'
import { verifyVersion } from './verify.ts'

const PROBLEMS_SHOWN = 100

export async function runCollection(
  { dryRun }: StepInput<typeof collectStep>,
  { store, scratchDir, signal, runId, nodeId, progress }: StepContext,
): Promise<StepOutput<typeof collectStep>> {
  const onProgress = (done: number): void => progress({ done, unit: 'objects', note: 'looking for what is named' })
  return collectGarbage({ store, scratchDir, signal, by: `run ${runId} ${nodeId}`, dryRun, onProgress })
}

/** Records that somebody asked for an image to be deleted: without it no run deletes one. */
export async function askForDeletion(
  store: ObjectStore,
  { digest, reason, by }: { readonly digest: string; readonly reason: string; readonly by: string },
): Promise<void> {
  await movePointer(store, requestLog(digest), { reason }, { by })
}

/** @throws {PlatformError} `FORBIDDEN` where nobody asked for it. */
export async function runDeletion(
  { image }: StepInput<typeof deleteStep>,
  { store, scratchDir, signal, progress }: StepContext,
): Promise<StepOutput<typeof deleteStep>> {
  const request = await readPointer<{ reason: string }>(store, requestLog(image))
  if (!request)
    throw new PlatformError(
      'FORBIDDEN',
      `nobody asked for image ${image} to be deleted; an owner does by \`gyre dataset delete-image\``,
      {
        image,
      },
    )
  const onProgress = (note: string): void => progress({ done: 0, total: 1, unit: 'images', note })
  const { by, value } = request
  const done = await deleteImage({ store, digest: image, by, reason: value.reason, scratchDir, signal, onProgress })
  const { datasets, packs, pixels, vectors, pages, copies, uris, models, endpoints } = done
  return {
    ...{ image, packs, pixels, vectors, pages, copies },
    datasets: datasets.map(({ refs, ...dataset }) => ({ ...dataset, refs: [...refs] })),
    ...{ uris: [...uris], models: [...models], endpoints: [...endpoints] },
  }
}

export async function runVerification(
  { version, everyImage }: StepInput<typeof verifyStep>,
  { store, scratchDir, signal, progress }: StepContext,
): Promise<StepOutput<typeof verifyStep>> {
  const { problems, ...found } = await verifyVersion({
    ...{ store, version, everyImage, scratchDir, signal },
    onProgress: (far) => progress({ ...far, unit: 'images', note: 'reading' }),
  })
  return { ...found, problems: { count: problems.length, first: problems.slice(0, PROBLEMS_SHOWN) } }
}

const requestLog = (digest: string): string => `deleted/${digest}/asked`
