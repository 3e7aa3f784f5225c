import { isPlatformError } from '#core/errors'
import { forgetNode, nodeRecords } from '#core/runs'
import { blobKey, blobsIn, readBlob, type ObjectStore } from '#core/storage'
import { forget } from './cache.ts'

/**
 * Makes room for a new copy of a blob that a step found to be damaged: the blob goes, and with it every result of this
 * run that names it, so that a resume computes them again. A blob that no node made, as one of a dataset, is left alone.
 *
 * @returns the nodes whose results went; none when the blob, read once more, is as it should be.
 */
export async function dropDamagedBlob(store: ObjectStore, run: string, sha256: string): Promise<readonly string[]> {
  const named = [...(await nodeRecords(store, run))].filter(([, { output }]) => [...blobsIn(output)].includes(sha256))
  if (named.length === 0 || !(await isDamaged(store, sha256))) return []
  await store.delete(blobKey(sha256))
  for (const [node, { key }] of named) {
    if (key) await forget(store, key)
    await forgetNode(store, run, node)
  }
  return named.map(([node]) => node)
}

/** Whether its bytes are not those of its digest. */
async function isDamaged(store: ObjectStore, sha256: string): Promise<boolean> {
  try {
    await readBlob(store, sha256)
    return false
  } catch (error) {
    if (isPlatformError(error) && error.code === 'OBJECT_CORRUPT') return true
    throw error
  }
}
