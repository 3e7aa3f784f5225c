/** Whether a session fits into memory, told before anything is read: a process that runs out of it takes others along. */

import { totalmem } from 'node:os'
import { PlatformError } from '#core/errors'

/** Coordinates (128 float32), the row of the dataset, and what is counted of each image, as measured. */
const BYTES_PER_IMAGE = 2_000
/** The rest is for the machine, and for the other sessions on it. */
const SHARE_OF_MEMORY = 0.5
const GIB = 2 ** 30

/**
 * @param memoryBytes - of the process; what the machine has, or its container may use, where left out.
 * @throws {PlatformError} `SESSION_TOO_LARGE` when a session on these embeddings would need more than half of it.
 */
export function checkSize(
  { images, dims }: { readonly images: number; readonly dims: number },
  memoryBytes = Math.min(totalmem(), process.constrainedMemory()),
): void {
  const each = dims * Float32Array.BYTES_PER_ELEMENT + BYTES_PER_IMAGE
  const most = Math.floor((SHARE_OF_MEMORY * memoryBytes) / each)
  if (images <= most) return
  const gib = (bytes: number): string => (bytes / GIB).toFixed(1)
  throw new PlatformError(
    'SESSION_TOO_LARGE',
    `${images} images of ${dims} numbers each need ${gib(images * each)} GiB, and a session may take half of the ${gib(memoryBytes)} GiB here, ${most} images; label a part of them first (select-images), or host the session where there is more memory`,
    { images, most },
  )
}
