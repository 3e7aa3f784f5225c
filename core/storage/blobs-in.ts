/** Digests of all blobs that an output refers to. */
export function* blobsIn(value: unknown): Generator<string> {
  if (Array.isArray(value)) for (const item of value as readonly unknown[]) yield* blobsIn(item)
  else if (typeof value === 'object' && value !== null) {
    const fields = value as Readonly<Record<string, unknown>>
    if (typeof fields.sha256 === 'string' && typeof fields.sizeBytes === 'number') yield fields.sha256
    else for (const item of Object.values(fields)) yield* blobsIn(item)
  }
}
