/** What steps of a user's get of the outside world: artifacts by reference, and checkpoints that outlive an attempt. */

import { createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { rm } from 'node:fs/promises'
import path from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { isPlatformError, PlatformError } from '#core/errors'
import type { Artifacts, Content, OpenBlob, UserStepContext } from '#core/pipeline'
import type { BlobRef, Table } from '#core/steps'
import { blobFile, blobKey, digestFile, putBlob, putBlobFile, readBlob, type ObjectStore } from '#core/storage'
import type { StepContext } from './context.ts'

/** @param item - index of the item where the step is carried out by a map: each item has checkpoints of its own. */
export function userContext(ctx: StepContext, item?: number): UserStepContext {
  const { store, signal, log, scratchDir, runId, nodeId } = ctx
  const folder = `runs/${runId}/checkpoints/${nodeId}${item === undefined ? '' : `/${item}`}`
  return {
    store,
    signal,
    log,
    scratchDir,
    artifacts: artifactsIn(store, scratchDir),
    progress: (progress) => ctx.progress(progress),
    checkpoint: (key, make) => checkpoint(store, folder, key, make),
  }
}

const decoder = new TextDecoder()
const encoder = new TextEncoder()
const CHUNK_BYTES = 4 << 20

function artifactsIn(store: ObjectStore, scratchDir: string): Artifacts {
  const put = async (content: Content): Promise<BlobRef> => {
    if (content instanceof Uint8Array) return putBlob(store, content)
    if ('path' in content) return putBlobFile(store, content.path)
    return putStream(store, scratchDir, content)
  }
  return {
    put,
    open: (blob) => openBlob(store, scratchDir, blob),
    table: <Row>({ blob }: Table<Row>) => rowsOf<Row>(streamOf(store, blob)),
    async writeTable<Row>(rows: Iterable<Row> | AsyncIterable<Row>): Promise<Table<Row>> {
      let count = 0
      const lines = async function* () {
        for await (const row of rows) {
          count += 1
          yield encoder.encode(`${jsonOf(row, `row ${count} of the table`)}\n`)
        }
      }
      const blob = await put(lines())
      return { kind: 'table', rows: count, blob, failed: 0, failures: null }
    },
  }
}

function openBlob(store: ObjectStore, scratchDir: string, blob: BlobRef): OpenBlob {
  const bytes = (): Promise<Uint8Array> => readBlob(store, blob)
  return {
    bytes,
    stream: () => streamOf(store, blob),
    json: async () => JSON.parse(decoder.decode(await bytes())) as unknown,
    async path() {
      const file = await blobFile(store, blob, scratchDir)
      refuseCorrupt(blob, await digestFile(file))
      return file
    },
  }
}

async function putStream(store: ObjectStore, scratchDir: string, content: AsyncIterable<Uint8Array>): Promise<BlobRef> {
  const file = path.join(scratchDir, `put-${Math.random().toString(36).slice(2)}`)
  try {
    await pipeline(Readable.from(content), createWriteStream(file))
    return await putBlobFile(store, file)
  } finally {
    await rm(file, { force: true })
  }
}

async function* streamOf(store: ObjectStore, blob: BlobRef): AsyncIterable<Uint8Array> {
  const hash = createHash('sha256')
  for (let offset = 0; offset < blob.sizeBytes; offset += CHUNK_BYTES) {
    const chunk = await store.getRange(blobKey(blob.sha256), offset, Math.min(CHUNK_BYTES, blob.sizeBytes - offset))
    hash.update(chunk)
    yield chunk
  }
  refuseCorrupt(blob, hash.digest('hex'))
}

async function* rowsOf<Row>(chunks: AsyncIterable<Uint8Array>): AsyncIterable<Row> {
  const lines = new TextDecoder()
  let rest = ''
  for await (const chunk of chunks) {
    const parts = (rest + lines.decode(chunk, { stream: true })).split('\n')
    rest = parts.pop()!
    for (const line of parts) yield JSON.parse(line) as Row
  }
  if (rest !== '') yield JSON.parse(rest) as Row
}

function refuseCorrupt({ sha256, sizeBytes }: BlobRef, actual: string): void {
  if (actual !== sha256)
    throw new PlatformError(
      'OBJECT_CORRUPT',
      `blob ${sha256} holds bytes with digest ${actual}; restore it from a backup`,
      { sha256, actual, sizeBytes },
    )
}

/** Two attempts at once may both compute: the first value stands, and both go on with it. */
async function checkpoint<T>(store: ObjectStore, folder: string, key: string, make: () => T | Promise<T>): Promise<T> {
  if (!/^[a-z0-9]([a-z0-9-]{0,78}[a-z0-9])?$/.test(key))
    throw new PlatformError(
      'INVALID_NAME',
      `checkpoint "${key}" must be lower-case letters, digits and hyphens, at most 80`,
      { key },
    )
  const at = `${folder}/${key}.json`
  const standing = await read<T>(store, at)
  if (standing) return standing.value
  const value = await make()
  const made = encoder.encode(`{"value":${jsonOf(value, `the value of checkpoint "${key}"`)}}`)
  await store.create(at, made)
  return (await read<T>(store, at))!.value
}

async function read<T>(store: ObjectStore, key: string): Promise<{ readonly value: T } | null> {
  try {
    return JSON.parse(decoder.decode(await store.get(key))) as { value: T }
  } catch (error) {
    if (isPlatformError(error) && error.code === 'OBJECT_NOT_FOUND') return null
    throw error
  }
}

function jsonOf(value: unknown, what: string): string {
  const text = JSON.stringify(value) as string | undefined
  if (text === undefined)
    throw new PlatformError('STEP_OUTPUT_INVALID', `${what} is no JSON; give text, numbers, lists or objects`)
  return text
}
