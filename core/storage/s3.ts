/**
 * An object store in an S3 bucket, or in whatever speaks the S3 API and keeps `If-None-Match: *`. A store that does not
 * keep it is found by the race probe.
 *
 * Address, region and credentials come from the standard AWS environment variables and files, which the SDK reads.
 * A create whose answer was lost is sent again and then meets its own object: a random mark in the object's metadata
 * tells it apart from another writer's, so that S2's one winner also learns that it won.
 */

import { createReadStream, createWriteStream } from 'node:fs'
import { chmod, mkdir, rename, rm, stat } from 'node:fs/promises'
import { randomUUID } from 'node:crypto'
import path from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as delay } from 'node:timers/promises'
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  S3ServiceException,
  type S3ClientConfig,
} from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { PlatformError } from '#core/errors'
import { checkRange, objectNotFound } from './failures.ts'
import { checkKey } from './keys.ts'
import type { ListOptions, ObjectInfo, ObjectKey, ObjectStore, PresignRequest } from './object-store.ts'

/** Tries of one create before the store counts as unavailable; the pauses between them sum to about 6 s. */
const CREATE_TRIES = 8
/** Of a body that breaks off. Requests that fail as a whole are sent again by the SDK. */
const READ_TRIES = 5
/** The metadata entry that says which create call made the object. */
const WRITER = 'gyre-writer'
const PAGE_SIZE = 1_000

/** @param uri - `s3://bucket` or `s3://bucket/prefix`. The bucket must exist. */
export async function openS3Store(uri: string): Promise<ObjectStore> {
  const [, bucket, prefix] = /^s3:\/\/([^/]+)(?:\/(.*?))?\/*$/.exec(uri) ?? []
  if (!bucket) throw new PlatformError('INVALID_INPUT', `${uri} is not s3://bucket/prefix`, { uri })
  return new S3Store(await createClient(), bucket, prefix ? `${prefix}/` : '')
}

/** @param endpoint - instead of the one in the environment. */
async function createClient(endpoint?: string): Promise<S3Client> {
  const settings: S3ClientConfig = {
    ...(endpoint === undefined ? {} : { endpoint }),
    maxAttempts: 4,
    logger: SILENT,
    // The SDK's newer default checksums are refused or miscounted by several S3 servers; digests are checked above the store.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  }
  const client = new S3Client(settings)
  const { config } = client as unknown as { config: ConfigurableEndpoint }
  const own = endpoint ?? (await config.serviceConfiguredEndpoint?.())
  if (!own) return client
  // Own servers are reached as http://host/bucket: bucket.host would need a DNS entry for each bucket.
  const region = (await config.region().catch(() => '')) || 'us-east-1'
  client.destroy()
  return new S3Client({ ...settings, endpoint: own, forcePathStyle: true, region })
}

/** The SDK would write to the console; failures reach the caller as errors. */
const SILENT = { trace() {}, debug() {}, info() {}, warn() {}, error() {} }

/** What the SDK has at run time and does not type: the address found in the environment or the configuration files. */
interface ConfigurableEndpoint {
  serviceConfiguredEndpoint?: () => Promise<string | undefined>
  region: () => Promise<string>
}

class S3Store implements ObjectStore {
  readonly uri: string
  /** One client per address under which others reach the store: a signature covers the host. */
  readonly #clientsAt = new Map<string, Promise<S3Client>>()

  constructor(
    readonly client: S3Client,
    readonly bucket: string,
    readonly prefix: string,
  ) {
    this.uri = `s3://${bucket}/${prefix}`.replace(/\/$/, '')
  }

  create(key: ObjectKey, bytes: Uint8Array): Promise<boolean> {
    return this.#create(key, bytes.byteLength, () => bytes)
  }

  async createFromFile(key: ObjectKey, file: string): Promise<boolean> {
    checkKey(key)
    if (await this.head(key)) return false
    const { size } = await stat(file)
    return this.#create(key, size, () => createReadStream(file, { highWaterMark: 1 << 20 }))
  }

  async get(key: ObjectKey): Promise<Uint8Array> {
    return this.#read(key, collect)
  }

  async getRange(key: ObjectKey, offset: number, length: number): Promise<Uint8Array> {
    checkRange(key, offset, length)
    if (length === 0) {
      if (!(await this.head(key))) throw objectNotFound(this.uri, key)
      return new Uint8Array()
    }
    return this.#read(key, collect, `bytes=${offset}-${offset + length - 1}`)
  }

  async head(key: ObjectKey): Promise<{ sizeBytes: number } | null> {
    const found = await this.#headOrNull(key)
    return found && { sizeBytes: found.ContentLength ?? 0 }
  }

  async localFile(key: ObjectKey, directory: string): Promise<string> {
    checkKey(key)
    const file = path.join(directory, key)
    if (await stat(file).catch(() => null)) return file
    await mkdir(path.dirname(file), { recursive: true })
    await this.#read(key, async (body) => {
      const partial = `${file}.${randomUUID()}`
      try {
        await pipeline(body, createWriteStream(partial, { flags: 'wx' }))
        await chmod(partial, 0o444)
        await rename(partial, file)
      } finally {
        await rm(partial, { force: true })
      }
    })
    return file
  }

  async *list(prefix: string, { startAfter, limit = Infinity }: ListOptions = {}): AsyncIterable<ObjectInfo> {
    let left = limit
    let after = startAfter === undefined ? undefined : this.prefix + startAfter
    while (left > 0) {
      const page = await this.#sending(() =>
        this.client.send(
          new ListObjectsV2Command({
            Bucket: this.bucket,
            Prefix: this.prefix + prefix,
            MaxKeys: Math.min(left, PAGE_SIZE),
            ...(after === undefined ? {} : { StartAfter: after }),
          }),
        ),
      )
      for (const { Key, Size, ETag } of page.Contents ?? []) {
        if (Key === undefined) continue
        const etag = ETag === undefined ? {} : { etag: ETag }
        yield { key: Key.slice(this.prefix.length), sizeBytes: Size ?? 0, ...etag }
        left -= 1
        after = Key
      }
      if (!page.IsTruncated) return
    }
  }

  async delete(key: ObjectKey): Promise<void> {
    checkKey(key)
    await this.#sending(() =>
      this.client.send(new DeleteObjectCommand({ Bucket: this.bucket, Key: this.prefix + key })),
    )
  }

  async presign({ method, key, expiresSeconds, createOnly = false, endpoint }: PresignRequest): Promise<string> {
    checkKey(key)
    const client = endpoint === undefined ? this.client : await this.#clientAt(endpoint)
    const object = { Bucket: this.bucket, Key: this.prefix + key }
    const expiry = { expiresIn: expiresSeconds }
    if (method === 'GET') return getSignedUrl(client, new GetObjectCommand(object), expiry)
    if (!createOnly) return getSignedUrl(client, new PutObjectCommand(object), expiry)
    // As a signed header: the server refuses the request without it.
    const signed = { ...expiry, signableHeaders: new Set(['host', 'if-none-match']) }
    return getSignedUrl(client, new PutObjectCommand({ ...object, IfNoneMatch: '*' }), signed)
  }

  #clientAt(endpoint: string): Promise<S3Client> {
    const known = this.#clientsAt.get(endpoint) ?? createClient(endpoint)
    this.#clientsAt.set(endpoint, known)
    return known
  }

  /** @param body - opened anew for each try: a stream that failed half way cannot be sent again. */
  async #create(key: ObjectKey, sizeBytes: number, body: () => Uint8Array | Readable): Promise<boolean> {
    checkKey(key)
    const writer = randomUUID()
    for (let attempt = 1; ; attempt++) {
      try {
        await this.client.send(
          new PutObjectCommand({
            Bucket: this.bucket,
            Key: this.prefix + key,
            Body: body(),
            ContentLength: sizeBytes,
            IfNoneMatch: '*',
            Metadata: { [WRITER]: writer },
          }),
        )
        return true
      } catch (error) {
        if (statusOf(error) === 412) return sentBefore(error, attempt) && (await this.#writerOf(key)) === writer
        if (attempt === CREATE_TRIES || !canRetry(error)) throw this.#failure(error)
        await delay(Math.random() * 50 * 2 ** attempt)
      }
    }
  }

  async #writerOf(key: ObjectKey): Promise<string | undefined> {
    return (await this.#headOrNull(key))?.Metadata?.[WRITER]
  }

  async #headOrNull(key: ObjectKey) {
    checkKey(key)
    try {
      return await this.client.send(new HeadObjectCommand({ Bucket: this.bucket, Key: this.prefix + key }))
    } catch (error) {
      if (statusOf(error) === 404) return null
      throw this.#failure(error)
    }
  }

  /** Reads once more where a body breaks off: what came of it is not the object. */
  async #read<T>(key: ObjectKey, take: (body: Readable) => Promise<T>, range?: string): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      const body = await this.#open(key, range)
      try {
        return await take(body)
      } catch (error) {
        if (isOfDisk(error)) throw error
        if (attempt === READ_TRIES) throw this.#failure(error)
        await delay(Math.random() * 50 * 2 ** attempt)
      }
    }
  }

  /** @returns nothing where the range begins at or after the end of the object. */
  async #open(key: ObjectKey, range?: string): Promise<Readable> {
    checkKey(key)
    try {
      const command = new GetObjectCommand({
        Bucket: this.bucket,
        Key: this.prefix + key,
        ...(range ? { Range: range } : {}),
      })
      return (await this.client.send(command)).Body as Readable
    } catch (error) {
      if (statusOf(error) === 416) return Readable.from([])
      if (error instanceof S3ServiceException && error.name === 'NoSuchKey') throw objectNotFound(this.uri, key, error)
      throw this.#failure(error)
    }
  }

  async #sending<T>(send: () => Promise<T>): Promise<T> {
    try {
      return await send()
    } catch (error) {
      throw this.#failure(error)
    }
  }

  #failure(error: unknown): PlatformError {
    const { name, message } = error as Error
    return new PlatformError(
      'STORE_UNAVAILABLE',
      `${this.uri} answered ${name}: ${message}; check its address, bucket and credentials`,
      { uri: this.uri, status: statusOf(error) },
      { cause: error },
    )
  }
}

async function collect(body: Readable): Promise<Uint8Array> {
  const chunks: Buffer[] = []
  for await (const chunk of body) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

/** A full disk on our side does not mend by reading again. */
function isOfDisk(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT', 'EROFS', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')
}

function statusOf(error: unknown): number | null {
  return (error as S3ServiceException).$metadata?.httpStatusCode ?? null
}

/** Whether an earlier try of the same create may have reached the store. */
function sentBefore(error: unknown, attempt: number): boolean {
  return attempt > 1 || ((error as S3ServiceException).$metadata?.attempts ?? 1) > 1
}

/** No answer at all, a conflict with a concurrent write (409), or the store's own trouble. */
function canRetry(error: unknown): boolean {
  const status = statusOf(error)
  if (status === null) return (error as Error).name !== 'CredentialsProviderError'
  return status === 409 || status === 429 || status >= 500
}
