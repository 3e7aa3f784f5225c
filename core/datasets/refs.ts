/** Refs: names that point to versions. Each is a pointer log; `latest` is one of them. */
import { isPlatformError, PlatformError } from '#core/errors'
import type { DatasetVersion } from '#core/steps'
import { checkName, movePointer, namesUnder, readPointer, type ObjectStore, type PointerEntry } from '#core/storage'
import { readManifest, toDatasetVersion, type Manifest } from './manifest.ts'

/** The value of a ref. */
export interface RefValue {
  readonly version: string
  readonly images: number
  readonly note: string
}

export function refPrefix(dataset: string, ref: string): string {
  return `datasets/${dataset}/refs/${ref}`
}

export function readRef(store: ObjectStore, dataset: string, ref: string): Promise<PointerEntry<RefValue> | null> {
  return readPointer<RefValue>(store, refPrefix(dataset, ref))
}

export function readLatest(store: ObjectStore, dataset: string): Promise<PointerEntry<RefValue> | null> {
  return readRef(store, dataset, 'latest')
}

export interface PublishOptions {
  readonly by: string
  readonly note: string
  /** `latest` by default. */
  readonly ref?: string
}

/**
 * Moves a ref to what `merge` makes of the version it points to, again and again until nobody else moved it meanwhile.
 *
 * V3  A ref only moves from the version that was merged with: of two concurrent writers the second merges again.
 *
 * @param merge - writes the version to move to; gets the digest that the ref has now, null where it has none yet.
 * @returns what `merge` gave in the end.
 */
export async function publish(
  store: ObjectStore,
  dataset: string,
  merge: (current: string | null) => Promise<Manifest>,
  { by, note, ref = 'latest' }: PublishOptions,
): Promise<Manifest> {
  for (;;) {
    const pointer = await readRef(store, dataset, ref)
    const manifest = await merge(pointer?.value.version ?? null)
    if (pointer?.value.version === manifest.version) return manifest
    const value: RefValue = { version: manifest.version, images: manifest.images, note }
    try {
      await movePointer(store, refPrefix(dataset, ref), value, { by, expectedSeq: pointer?.seq ?? 0 })
      return manifest
    } catch (error) {
      if (!isPlatformError(error) || error.code !== 'POINTER_MOVED') throw error // V3
    }
  }
}

export interface Ref extends RefValue {
  readonly name: string
  /** ISO 8601: when it moved there, and who moved it. */
  readonly at: string
  readonly by: string
}

/** Ascending by name. */
export async function listRefs(store: ObjectStore, dataset: string): Promise<readonly Ref[]> {
  const refs: Ref[] = []
  for (const name of await namesUnder(store, `datasets/${dataset}/refs`)) {
    const pointer = await readRef(store, dataset, name)
    if (pointer) refs.push({ name, ...pointer.value, at: pointer.at, by: pointer.by })
  }
  return refs
}

export interface MoveRefOptions {
  readonly by: string
  readonly note: string
}

export interface TagOptions extends MoveRefOptions {
  /** A tag that points elsewhere already is moved, else refused. */
  readonly move?: boolean
}

/**
 * Names a version. Tags move only when told.
 *
 * @throws {PlatformError} `DATASET_NOT_FOUND`; `INVALID_NAME`; `INVALID_INPUT` for `latest` and for what reads as the
 * first digits of a version; `DATASET_TAG_TAKEN`.
 */
export async function tagVersion(
  store: ObjectStore,
  { dataset, version }: Pick<DatasetVersion, 'dataset' | 'version'>,
  tag: string,
  { by, note, move = false }: TagOptions,
): Promise<DatasetVersion> {
  checkName('a tag', tag)
  checkTag(tag)
  const manifest = await readManifest(store, dataset, version)
  const held = await readRef(store, dataset, tag)
  if (held?.value.version === version) return toDatasetVersion(manifest)
  if (held && !move)
    throw new PlatformError(
      'DATASET_TAG_TAKEN',
      `tag ${tag} of ${dataset} points to ${held.value.version.slice(0, 12)} already; choose another name or move it with --move`,
      { dataset, tag, version: held.value.version },
    )
  const value: RefValue = { version, images: manifest.images, note }
  await movePointer(store, refPrefix(dataset, tag), value, { by, expectedSeq: held?.seq ?? 0 })
  return toDatasetVersion(manifest)
}

function checkTag(tag: string): void {
  if (tag === 'latest' || /^[0-9a-f]{6,}$/.test(tag))
    throw new PlatformError(
      'INVALID_INPUT',
      tag === 'latest'
        ? 'latest is no tag, since every commit moves it; choose another name, or use `gyre dataset restore`'
        : `tag ${tag} reads as the first digits of a version; add a letter beyond f or a hyphen`,
      { tag },
    )
}

/**
 * Moves a ref to a version that was there before; what was published since stays in the store and in the ref's log.
 *
 * @throws {PlatformError} `DATASET_NOT_FOUND`; `POINTER_MOVED` when somebody else moved the ref meanwhile.
 */
export async function restoreVersion(
  store: ObjectStore,
  { dataset, version }: Pick<DatasetVersion, 'dataset' | 'version'>,
  { ref = 'latest', by, note }: MoveRefOptions & { readonly ref?: string },
): Promise<DatasetVersion> {
  const manifest = await readManifest(store, dataset, version)
  const held = await readRef(store, dataset, ref)
  if (!held) throw notFound(dataset, ref)
  const value: RefValue = { version, images: manifest.images, note }
  if (held.value.version !== version)
    await movePointer(store, refPrefix(dataset, ref), value, { by, expectedSeq: held.seq })
  return toDatasetVersion(manifest)
}

export function notFound(dataset: string, ref: string): PlatformError {
  const what = ref === 'latest' ? `no dataset is called ${dataset}` : `dataset ${dataset} has no ref ${ref}`
  return new PlatformError('DATASET_NOT_FOUND', what, { dataset, ref })
}
