/** What a step of a user's gets beside its input. The only outside world that it needs. */

import type { Progress } from '#core/execution'
import type { Logger } from '#core/log'
import type { BlobRef, Table } from '#core/steps'
import type { ObjectStore } from '#core/storage'

/** What a step of yours gets beside its input. One per attempt. */
export interface UserStepContext {
  /** Reads and writes what is too large for JSON: blobs and tables, by reference. */
  readonly artifacts: Artifacts
  /** Aborted on cancellation and shutdown: check it at least once a second, then rethrow its reason. */
  readonly signal: AbortSignal
  readonly log: Logger
  /** An empty folder for this attempt alone, removed when the attempt ends. */
  readonly scratchDir: string
  readonly store: ObjectStore
  progress(progress: Progress): void
  /**
   * What `make` gives, computed once per run and node: it is kept in the store, so that a retry, or a resume of the run,
   * finds it instead of computing it again.
   *
   * @param key - names it within the step: lower-case letters, digits and inner hyphens, at most 80.
   * @param make - its value must be JSON, small; large things go into blobs.
   * @throws {PlatformError} `INVALID_NAME`, `STEP_OUTPUT_INVALID` where the value is no JSON; whatever `make` throws.
   */
  checkpoint<T>(key: string, make: () => T | Promise<T>): Promise<T>
}

/** Bytes to be kept: in memory, as they come, or a file, read as a stream. */
export type Content = Uint8Array | AsyncIterable<Uint8Array> | { readonly path: string }

/** Artifacts are immutable, named by the digest of their bytes; what is read is checked against it. */
export interface Artifacts {
  put(content: Content): Promise<BlobRef>
  /** Nothing is read until one of the methods is called. */
  open(blob: BlobRef): OpenBlob
  /**
   * The rows of a table, in order, one at a time: a table of any size needs little memory.
   *
   * @throws {PlatformError} `OBJECT_NOT_FOUND`; `OBJECT_CORRUPT`, after the last row at the latest.
   */
  table<Row>(table: Table<Row>): AsyncIterable<Row>
  /** @param rows - JSON each. */
  writeTable<Row>(rows: Iterable<Row> | AsyncIterable<Row>): Promise<Table<Row>>
}

/** One blob. All methods throw `OBJECT_NOT_FOUND`, and `OBJECT_CORRUPT` where the bytes are not what was stored. */
export interface OpenBlob {
  bytes(): Promise<Uint8Array>
  /** Throws `OBJECT_CORRUPT` instead of ending, where the bytes are not what was stored. */
  stream(): AsyncIterable<Uint8Array>
  /** A local file, read-only. */
  path(): Promise<string>
  json(): Promise<unknown>
}
