import type { BlobRef } from '#core/steps'

/** All blobs that an output refers to. */
export function* blobRefsIn(value: unknown): Generator<BlobRef> {
  if (Array.isArray(value)) for (const item of value as readonly unknown[]) yield* blobRefsIn(item)
  else if (typeof value === 'object' && value !== null) {
    const { sha256, sizeBytes } = value as Readonly<Record<string, unknown>>
    if (typeof sha256 === 'string' && typeof sizeBytes === 'number') yield { sha256, sizeBytes }
    else for (const item of Object.values(value)) yield* blobRefsIn(item)
  }
}

/** Digests of all blobs that an output refers to. */
export function* blobsIn(value: unknown): Generator<string> {
  for (const { sha256 } of blobRefsIn(value)) yield sha256
}
