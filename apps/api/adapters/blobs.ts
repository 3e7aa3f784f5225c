import { PlatformError } from '#core/errors'
import { blobKey, type ObjectStore } from '#core/storage'
import type { BlobPort } from '../ports.ts'

export function blobsOf(store: ObjectStore): BlobPort {
  return {
    async sizeBytes(sha256) {
      const head = await store.head(blobKey(sha256))
      if (!head) throw new PlatformError('OBJECT_NOT_FOUND', `there is no blob ${sha256}`, { sha256 })
      return head.sizeBytes
    },
    range: (sha256, offset, length) => store.getRange(blobKey(sha256), offset, length),
  }
}
