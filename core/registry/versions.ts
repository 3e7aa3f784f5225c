/**
 * Numbers for models. A model name owns a chain of create-only slots `versions/<seq>.json`, filled without gaps.
 *
 * V1  A slot is created only by somebody who has read every slot below it and found other digests there. So no digest
 *     ever has two numbers, whoever races and whenever anybody dies.
 * V2  `by-digest/<digest>.json` exists before the digest has a number: a crash between the two loses the number only,
 *     and the retry, which finds the record, gives it one.
 */

import { isPlatformError } from '#core/errors'
import { canonicalJson, type ObjectStore } from '#core/storage'
import { digestRecord, modelRecord, type DigestRecord, type ModelRecord } from './record.ts'

/** Registers the record or finds it registered; the number is the same for everybody who asks with this digest. */
export async function numberModel(store: ObjectStore, name: string, record: DigestRecord): Promise<ModelRecord> {
  const below = await highestVersion(store, name)
  const key = `models/${name}/by-digest/${record.digest}.json`
  const isNew = await store.create(key, Buffer.from(canonicalJson(record)))
  // A digest record of somebody else may have its number already, in any slot; a new one only above `below` (V2).
  const kept = isNew ? record : digestRecord.parse(await readJson(store, key))
  for (let version = isNew ? below + 1 : 1; ; version++) {
    const candidate: ModelRecord = { ...kept, name, version }
    if (await store.create(versionKey(name, version), Buffer.from(canonicalJson(candidate)))) return candidate
    const existing = await readVersion(store, name, version)
    if (existing?.digest === record.digest) return existing
  }
}

/** @returns null when the number is free. */
export async function readVersion(store: ObjectStore, name: string, version: number): Promise<ModelRecord | null> {
  try {
    return modelRecord.parse(await readJson(store, versionKey(name, version)))
  } catch (error) {
    if (isPlatformError(error) && error.code === 'OBJECT_NOT_FOUND') return null
    throw error
  }
}

/** 0 where there is none. */
export async function highestVersion(store: ObjectStore, name: string): Promise<number> {
  let highest = 0
  for await (const { key } of store.list(`models/${name}/versions/`)) highest = Number(/(\d+)\.json$/.exec(key)?.[1])
  return highest
}

function versionKey(name: string, version: number): string {
  return `models/${name}/versions/${String(version).padStart(10, '0')}.json`
}

async function readJson(store: ObjectStore, key: string): Promise<unknown> {
  return JSON.parse(Buffer.from(await store.get(key)).toString())
}
