import { blobKey, blobRefsIn, type ObjectStore } from '#core/storage'

/** Why an output cannot stand in: an artifact of it is not there, or has not the size that its reference says. */
export type ArtifactTrouble = 'gone' | 'damaged'

/** Looks at every artifact without reading its bytes. @returns null when all are there. */
export async function artifactTrouble(store: ObjectStore, output: unknown): Promise<ArtifactTrouble | null> {
  const found = await Promise.all(
    [...blobRefsIn(output)].map(async ({ sha256, sizeBytes }) => {
      const object = await store.head(blobKey(sha256))
      if (!object) return 'gone'
      return object.sizeBytes === sizeBytes ? null : 'damaged'
    }),
  )
  return found.find((trouble) => trouble !== null) ?? null
}

/** Removes artifacts of the wrong size, so that computing again stores them anew: a blob that exists is not written. */
export async function removeDamaged(store: ObjectStore, output: unknown): Promise<void> {
  for (const { sha256, sizeBytes } of blobRefsIn(output)) {
    const object = await store.head(blobKey(sha256))
    if (object && object.sizeBytes !== sizeBytes) await store.delete(blobKey(sha256))
  }
}
