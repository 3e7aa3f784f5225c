/**
 * Whether a store can be used as it is set: asked before any work starts, and by `gyre doctor`. Each failure that an S3
 * server is known to answer becomes one sentence that says what to mend.
 */

import { randomUUID } from 'node:crypto'
import { isPlatformError, PlatformError } from '#core/errors'
import type { ObjectStore } from './object-store.ts'

/**
 * Lists, writes, reads and deletes one small object under `probes/`.
 *
 * @throws {PlatformError} `STORE_REFUSED` when a person must mend something: no such bucket, it may not be listed, written,
 *   read or deleted in, wrong credentials, wrong region, wrong clock. `STORE_UNAVAILABLE` when nothing answers.
 */
export async function refuseUnusableStore(store: ObjectStore): Promise<void> {
  const key = `probes/${randomUUID()}`
  await trying(store, 'listed', () => store.list('probes/', { limit: 1 })[Symbol.asyncIterator]().next())
  await trying(store, 'written to', () => store.create(key, Buffer.from('Gyre was here')))
  await trying(store, 'read', () => store.get(key))
  await trying(store, 'deleted from', () => store.delete(key))
}

type Deed = 'listed' | 'written to' | 'read' | 'deleted from'

async function trying(store: ObjectStore, deed: Deed, attempt: () => Promise<unknown>): Promise<void> {
  try {
    await attempt()
  } catch (error) {
    throw explained(store, deed, error)
  }
}

function explained({ uri }: ObjectStore, deed: Deed, error: unknown): unknown {
  if (!isPlatformError(error) || error.code !== 'STORE_UNAVAILABLE') return error
  const cause = error.cause as { name?: string; $metadata?: { httpStatusCode?: number } } | undefined
  const name = /Region (is missing|not accepted)/.test(error.message) ? 'RegionMissing' : (cause?.name ?? '')
  const bucket = /^s3:\/\/([^/]+)/.exec(uri)?.[1]
  const status = cause?.$metadata?.httpStatusCode
  const sentence = SENTENCES[name]?.(bucket ?? uri) ?? (status === 403 ? forbidden(bucket ?? uri, deed) : null)
  return sentence === null
    ? error
    : new PlatformError('STORE_REFUSED', sentence, { uri, reason: name, status }, { cause: error })
}

/** By the name of what the SDK or the S3 server answered. */
const SENTENCES: Readonly<Record<string, (bucket: string) => string>> = {
  NoSuchBucket: (bucket) => `the S3 server has no bucket ${bucket}; create it, or name another in GYRE_STORE`,
  CredentialsProviderError: (bucket) =>
    `there are no credentials for bucket ${bucket}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE`,
  InvalidAccessKeyId: (bucket) =>
    `the S3 server of bucket ${bucket} does not know the access key; set AWS_ACCESS_KEY_ID`,
  SignatureDoesNotMatch: (bucket) =>
    `the S3 server of bucket ${bucket} refuses the secret key; set AWS_SECRET_ACCESS_KEY to the one of the access key`,
  ExpiredToken: (bucket) => `the credentials for bucket ${bucket} have expired; log in again`,
  RequestTimeTooSkewed: (bucket) =>
    `the clock of this machine is more than 15 minutes off that of the S3 server of bucket ${bucket}; let it be set by NTP`,
  RegionMissing: (bucket) => `the region of bucket ${bucket} is not known; set AWS_REGION`,
  PermanentRedirect: (bucket) => `bucket ${bucket} lies in another region; set AWS_REGION to it`,
}

function forbidden(bucket: string, deed: Deed): string {
  const permission = {
    listed: 's3:ListBucket',
    'written to': 's3:PutObject',
    read: 's3:GetObject',
    'deleted from': 's3:DeleteObject',
  }[deed]
  const what = deed === 'written to' ? `bucket ${bucket} is read-only for us` : `bucket ${bucket} may not be ${deed}`
  return `${what}; allow these credentials ${permission}`
}
