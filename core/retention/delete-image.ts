/**
 * Deletes one image everywhere, for good and at once: what a law may ask for. There is no trash and no undoing.
 *
 * D1  The deletion is recorded first: from then on no import takes the image in again.
 * D2  Bytes go from packs, pixels, embeddings, pages, captured and dropped files; refs move to versions without the image.
 * D3  Every act may be done again: a kill at any moment is mended by deleting the image once more, or resuming the run.
 *
 * What old versions' tables say of the image (its size, source name, label) stays until the retention policy lets these
 * versions go. Models that learnt from it stay, and are told.
 */

import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import path from 'node:path'
import {
  commitChange,
  listRefs,
  readImage,
  recordDeletion,
  readDeletion,
  type Deletion,
  type Manifest,
} from '#core/datasets'
import { isPlatformError, PlatformError } from '#core/errors'
import { usesOf } from '#core/lineage'
import { movePointer, sha256Hex, type ObjectStore } from '#core/storage'
import { forgetCopies, forgetPages, forgetPixels, forgetVectors } from './derived.ts'
import { eraseFromPack, strayPlaces } from './erase.ts'
import { findImage, type Whereabouts } from './find-image.ts'
import { listHolds } from './policy.ts'

export interface DeleteImageOptions {
  readonly store: ObjectStore
  readonly digest: string
  readonly by: string
  readonly reason: string
  /** A local folder. */
  readonly scratchDir: string
  readonly signal?: AbortSignal
  onProgress?(note: string): void
}

/** What was done, and what is left for people to decide. */
export interface ImageDeletion extends Deletion {
  readonly datasets: readonly {
    readonly name: string
    /** How many versions had it. */
    readonly versions: number
    /** Refs that moved to a version without it. */
    readonly refs: readonly string[]
  }[]
  /** Packs that were written anew. */
  readonly packs: number
  readonly pixels: number
  readonly vectors: number
  readonly pages: number
  /** Captured requests and dropped files. */
  readonly copies: number
  /** Addresses where its bytes lie that Gyre does not own. */
  readonly uris: readonly string[]
  /** Models that were trained or measured on a version with it, as `name@version`. */
  readonly models: readonly string[]
  /** Endpoints that serve one of these. */
  readonly endpoints: readonly string[]
}

/** @throws {PlatformError} `INVALID_INPUT`; `IMAGE_NOT_FOUND`; `DATASET_HELD`. */
export async function deleteImage(options: DeleteImageOptions): Promise<ImageDeletion> {
  const { store, digest, by, reason, scratchDir } = options
  if (!/^[0-9a-f]{64}$/.test(digest))
    throw new PlatformError(
      'INVALID_INPUT',
      `${JSON.stringify(digest)} is no digest of an image: give its 64 hex digits`,
    )
  await mkdir(scratchDir, { recursive: true })
  const directory = await mkdtemp(path.join(scratchDir, 'delete-'))
  try {
    const found = await findImage(store, digest, directory)
    await refuseUnknown(store, digest, found)
    await refuseHeld(store, digest, found)
    const deletion = await recordDeletion(store, { digest, by, reason, at: new Date().toISOString() }) // D1
    return await deleteFound(options, { deletion, found, directory })
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** An image that was deleted before is known, though no ref leads to it: what is left of it is looked for again. */
async function refuseUnknown(store: ObjectStore, digest: string, { versions }: Whereabouts): Promise<void> {
  if (versions.length > 0 || (await readDeletion(store, digest))) return
  for await (const { key } of store.list('captures/')) if (key.endsWith(`/${digest}`)) return
  throw new PlatformError(
    'IMAGE_NOT_FOUND',
    `no version of any dataset has image ${digest}, and no endpoint captured it`,
    {
      digest,
    },
  )
}

async function refuseHeld(store: ObjectStore, digest: string, { versions }: Whereabouts): Promise<void> {
  for (const dataset of datasetsOf(versions))
    for (const { name, by, reason, version } of await listHolds(store, dataset)) {
      const concerns = version === null || versions.some((manifest) => manifest.version === version)
      if (!concerns) continue
      throw new PlatformError(
        'DATASET_HELD',
        `image ${digest} lies in ${dataset}, which ${by} holds as ${name} (${reason}); release the hold first, if it may be`,
        { digest, dataset, hold: name },
      )
    }
}

interface Found {
  readonly deletion: Deletion
  readonly found: Whereabouts
  readonly directory: string
}

/** D2. Refs first, so that nobody begins to work with a version that has it. */
async function deleteFound(options: DeleteImageOptions, { deletion, found, directory }: Found): Promise<ImageDeletion> {
  const { store, digest, signal } = options
  const say = (note: string): void => {
    signal?.throwIfAborted()
    options.onProgress?.(note)
  }
  const { versions, places, uris } = found
  const bytes = await bytesOf(store, digest, found)
  say('moving refs to versions without it')
  const datasets = []
  for (const name of datasetsOf(versions))
    datasets.push({
      name,
      versions: versions.filter(({ dataset }) => dataset === name).length,
      refs: await moveRefs(options, name, versions),
    })
  say('writing packs without it')
  const strays = await strayPlaces(store, digest, found.packs)
  let packs = 0
  for (const place of [...places, ...strays]) if (await eraseFromPack(store, place, directory)) packs += 1
  say('removing what was made of it')
  const sizeBytes = places[0]?.sizeBytes ?? bytes?.byteLength
  const isSame = async (key: string, size: number): Promise<boolean> =>
    size === sizeBytes && sha256Hex(await store.get(key)) === digest
  const done: ImageDeletion = {
    ...deletion,
    datasets,
    packs,
    pixels: await forgetPixels(store, versions),
    vectors: await forgetVectors(store, versions),
    pages: await forgetPages(store, digest, bytes),
    copies: await forgetCopies(store, digest, isSame),
    uris,
    ...(await usesOf(store, versions)),
  }
  await movePointer(store, `deleted/${digest}/done`, done, { by: options.by })
  return done
}

/** Null where they are gone already. */
async function bytesOf(store: ObjectStore, digest: string, { places }: Whereabouts): Promise<Uint8Array | null> {
  for (const place of places) {
    const image = { digest, ...place, uri: null, etag: null }
    const bytes = await readImage(store, image).catch((error: unknown) => {
      if (isPlatformError(error) && ['OBJECT_NOT_FOUND', 'IMAGE_DELETED', 'OBJECT_CORRUPT'].includes(error.code))
        return null
      throw error
    })
    if (bytes) return bytes
  }
  return null
}

async function moveRefs(
  { store, digest, by, reason }: DeleteImageOptions,
  dataset: string,
  versions: readonly Manifest[],
): Promise<readonly string[]> {
  const having = new Set(versions.map(({ version }) => version))
  const moved: string[] = []
  for (const { name: ref, version } of await listRefs(store, dataset)) {
    if (!having.has(version)) continue
    const note = `image ${digest.slice(0, 12)} deleted everywhere: ${reason}`
    await commitChange(store, { dataset, version }, { gone: [digest] }, { by, note, ref })
    moved.push(ref)
  }
  return moved
}

function datasetsOf(versions: readonly Manifest[]): readonly string[] {
  return [...new Set(versions.map(({ dataset }) => dataset))].sort()
}
