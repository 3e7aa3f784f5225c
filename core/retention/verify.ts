/** Proves that a version is whole: its tables and packs are there, its images have their digests, its splits do not leak. */

import { deletedImages, openVersion, readImages, readPack, type ImageFacts } from '#core/datasets'
import { isPlatformError } from '#core/errors'
import type { DatasetVersion } from '#core/steps'
import { digestFile, blobFile, type ObjectStore } from '#core/storage'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import path from 'node:path'

export interface VerifyOptions {
  readonly store: ObjectStore
  readonly version: Pick<DatasetVersion, 'dataset' | 'version'>
  /** Reads every image; else only tables, and the last bytes of each pack. */
  readonly everyImage: boolean
  readonly scratchDir: string
  readonly signal?: AbortSignal
  onProgress?(progress: { readonly done: number; readonly total: number }): void
}

export interface Verification {
  readonly version: DatasetVersion
  readonly tables: number
  readonly packs: number
  readonly imagesRead: number
  /** Of near duplicates, each of two images at least. */
  readonly groups: number
  /** In words; none where all is as it should be. */
  readonly problems: readonly string[]
}

/** @throws {PlatformError} `DATASET_NOT_FOUND`; `OBJECT_CORRUPT` where a table cannot be read at all. */
export async function verifyVersion(options: VerifyOptions): Promise<Verification> {
  const { store, version, everyImage } = options
  const reader = await openVersion(store, version)
  const problems: string[] = []
  const tables = await verifyTables(options, reader.manifest, problems)
  if (problems.length > 0) return { version: reader.version, tables, packs: 0, imagesRead: 0, groups: 0, problems }
  const facts = await reader.facts()
  const packs = await verifyPacks(store, facts, problems)
  const imagesRead = everyImage ? await verifyImages(options, facts, problems) : 0
  const deleted = await deletedImages(store)
  for (const { digest } of facts)
    if (deleted.has(digest)) problems.push(`image ${digest} was deleted everywhere, and this version names it`)
  const groups = leakingGroups(facts, await reader.labels())
  for (const group of groups.leaking) problems.push(`near duplicates of image ${group} lie in both splits`)
  return { version: reader.version, tables, packs, imagesRead, groups: groups.count, problems }
}

type Manifest = Awaited<ReturnType<typeof openVersion>>['manifest']

async function verifyTables(
  { store, scratchDir, signal }: VerifyOptions,
  { facts, labels, boxes }: Manifest,
  problems: string[],
): Promise<number> {
  await mkdir(scratchDir, { recursive: true })
  const directory = await mkdtemp(path.join(scratchDir, 'verify-'))
  try {
    let count = 0
    for (const { base, deltas } of [facts, labels, ...(boxes ? [boxes] : [])])
      for (const { blob } of [...base, ...deltas]) {
        signal?.throwIfAborted()
        count += 1
        const trouble = await troubleOf(async () => {
          const digest = await digestFile(await blobFile(store, blob, directory))
          return digest === blob.sha256 ? null : `holds bytes with digest ${digest}`
        })
        if (trouble !== null) problems.push(`table ${blob.sha256} ${trouble}`)
      }
    return count
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** The last image of a pack can be read: so the pack is there, and long enough. */
async function verifyPacks(store: ObjectStore, facts: readonly ImageFacts[], problems: string[]): Promise<number> {
  const last = new Map<string, ImageFacts>()
  for (const row of facts)
    if (row.pack !== null && row.offset >= (last.get(row.pack)?.offset ?? 0)) last.set(row.pack, row)
  for (const [pack, { offset, sizeBytes }] of last) {
    const trouble = await troubleOf(async () => {
      const bytes = await readPack(store, pack, offset, sizeBytes)
      return bytes.byteLength === sizeBytes ? null : 'ends too early'
    })
    if (trouble !== null) problems.push(`pack ${pack} ${trouble}`)
  }
  return last.size
}

/** In the order of the packs, with few reads; where a read fails, the images of it one by one. */
async function verifyImages(
  { store, signal, onProgress }: VerifyOptions,
  facts: readonly ImageFacts[],
  problems: string[],
): Promise<number> {
  let read = 0
  for (let from = 0; from < facts.length; from += IMAGES_AT_ONCE) {
    signal?.throwIfAborted()
    const images = facts.slice(from, from + IMAGES_AT_ONCE)
    if ((await troubleOf(() => readAll(store, images))) !== null)
      for (const image of images) {
        const trouble = await troubleOf(() => readAll(store, [image]))
        if (trouble !== null) problems.push(`image ${image.digest} ${trouble}`)
      }
    read += images.length
    onProgress?.({ done: read, total: facts.length })
  }
  return read
}

const IMAGES_AT_ONCE = 256

async function readAll(store: ObjectStore, images: readonly ImageFacts[]): Promise<null> {
  const reading = readImages(store, images)[Symbol.asyncIterator]()
  while (!(await reading.next()).done);
  return null
}

async function troubleOf(look: () => Promise<string | null>): Promise<string | null> {
  try {
    return await look()
  } catch (error) {
    if (!isPlatformError(error) || error.code === 'STORE_UNAVAILABLE') throw error
    return `cannot be read: ${error.message}`
  }
}

function leakingGroups(
  facts: readonly ImageFacts[],
  labels: readonly { readonly split: string }[],
): { readonly count: number; readonly leaking: readonly string[] } {
  const splits = new Map<string, { readonly split: string; images: number; leaks: boolean }>()
  for (const [row, { group }] of facts.entries()) {
    const { split } = labels[row]!
    const known = splits.get(group) ?? { split, images: 0, leaks: false }
    known.images += 1
    known.leaks ||= known.split !== split
    splits.set(group, known)
  }
  const groups = [...splits].filter(([, { images }]) => images > 1)
  return { count: groups.length, leaking: groups.filter(([, { leaks }]) => leaks).map(([group]) => group) }
}
