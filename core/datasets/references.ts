/** Images whose bytes stay in the bucket that they were imported from: read where they lie, believed by their digest. */
import { isPlatformError, PlatformError } from '#core/errors'
import { sha256Hex, type ObjectStore } from '#core/storage'
import type { ImageFacts } from './types.ts'

type Reference = Pick<ImageFacts, 'digest' | 'uri' | 'etag'>

/** Buckets are opened once: the first use of one costs a tenth of a second. */
const buckets = new Map<string, Promise<ObjectStore>>()

/** @throws {PlatformError} `OBJECT_CORRUPT` when the object is gone or another one than when it was imported. */
export async function readReference(image: Reference): Promise<Uint8Array> {
  const [, bucket, key] = /^(s3:\/\/[^/]+)\/(.+)$/s.exec(image.uri ?? '') ?? []
  if (bucket === undefined || key === undefined)
    throw new PlatformError('INTERNAL', `image ${image.digest} lies neither in a pack nor in a bucket`, { ...image })
  const bytes = await (await openBucket(bucket)).get(key).catch((error: unknown) => {
    if (isPlatformError(error) && error.code === 'OBJECT_NOT_FOUND') throw changed(image, 'is gone', error)
    throw error
  })
  if (sha256Hex(bytes) !== image.digest) throw changed(image, 'is another object now')
  return bytes
}

function openBucket(uri: string): Promise<ObjectStore> {
  let bucket = buckets.get(uri)
  if (!bucket) {
    bucket = import('#adapter/storage/s3').then(({ openS3Store }) => openS3Store(uri)) // The SDK takes 0.2 s to load.
    buckets.set(uri, bucket)
    bucket.catch(() => buckets.delete(uri))
  }
  return bucket
}

function changed({ digest, uri, etag }: Reference, trouble: string, cause?: unknown): PlatformError {
  return new PlatformError(
    'OBJECT_CORRUPT',
    `image ${digest} was imported by reference, and ${uri} ${trouble} (its ETag was ${etag}); put that object back, or import the prefix again`,
    { digest, uri, etag },
    { cause },
  )
}
