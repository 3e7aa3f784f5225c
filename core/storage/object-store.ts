/**
 * The port to where bytes live: a folder, an S3 bucket, or memory in tests. The only primitive that Gyre needs for
 * safety is create-if-absent; every pointer, lease and version is built on it.
 *
 * S1  An object is immutable once created: the same key never holds two different contents.
 * S2  Of any number of concurrent `create` calls for one key exactly one gets `true`.
 * S3  An object is visible whole or not at all, also after kill −9 at any moment.
 */

/**
 * Keys are relative, `/`-separated, without empty, `.` or `..` segments, at most 512 bytes (255 per segment). The first
 * segment `.tmp` is the stores' own, and no key may continue another one with `/`: a folder holds a file or a folder.
 */
export type ObjectKey = string

export interface ObjectInfo {
  readonly key: ObjectKey
  readonly sizeBytes: number
  /** What the server calls this content; left out by stores that have no such thing. */
  readonly etag?: string
}

export interface ObjectStore {
  /** Where it is, without credentials: `file:///…` or `s3://bucket/prefix`. */
  readonly uri: string

  /**
   * @returns true when this call created the object; false when the key exists already (its content is kept).
   * @throws {PlatformError} `STORE_DISK_FULL` with nothing left behind; `STORE_UNAVAILABLE`.
   */
  create(key: ObjectKey, bytes: Uint8Array): Promise<boolean>
  /** As `create`, streaming from a local file, which stays the caller's: the store takes a copy (or a reflink). */
  createFromFile(key: ObjectKey, path: string): Promise<boolean>

  /** @throws {PlatformError} `OBJECT_NOT_FOUND`. */
  get(key: ObjectKey): Promise<Uint8Array>
  /** @throws {PlatformError} `OBJECT_NOT_FOUND`; bytes [offset, offset + length), fewer at the end of the object. */
  getRange(key: ObjectKey, offset: number, length: number): Promise<Uint8Array>
  /** Size of the object, or null when the key is free. */
  head(key: ObjectKey): Promise<{ sizeBytes: number } | null>
  /** A local file with the bytes: the object itself in a folder store, else a copy inside `directory`. Read-only. */
  localFile(key: ObjectKey, directory: string): Promise<string>

  /** Objects under a prefix in ascending key order (UTF-8 bytes), after `startAfter` where given. */
  list(prefix: string, options?: ListOptions): AsyncIterable<ObjectInfo>
  /** Removes one object; a missing one is no error. Only garbage collection, caches and leases call it. */
  delete(key: ObjectKey): Promise<void>

  /**
   * An address at which whoever holds it may do one thing to one object, without credentials: for programs in Pods. Absent
   * where there is no server to ask, as in a folder.
   */
  presign?(request: PresignRequest): Promise<string>
}

export interface PresignRequest {
  readonly method: 'GET' | 'PUT'
  readonly key: ObjectKey
  /** At most 7 days. */
  readonly expiresSeconds: number
  /** The PUT must carry `If-None-Match: *`, and fails with 412 where the key is taken. */
  readonly createOnly?: boolean
  /** The store's address as the holder reaches it, where that differs from ours. */
  readonly endpoint?: string
}

export interface ListOptions {
  readonly startAfter?: ObjectKey
  /** The most objects to list. */
  readonly limit?: number
}
