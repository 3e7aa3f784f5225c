/**
 * The folder of catalogs: one file a version, made when it is asked for first, gone when room is needed or whenever somebody
 * removes it.
 *
 * S1  A file is there whole or not at all: it is made in a folder of its own and renamed.
 * S2  Two processes that make the same one both succeed; the later one takes the other's place, and who reads that goes on.
 * S3  What is there when a new one came is at most `maxBytes`: those opened longest ago go first, the new one stays.
 */
import { mkdir, mkdtemp, readdir, rename, rm, stat, utimes } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { isPlatformError } from '#core/errors'
import { readManifest, toDatasetVersion, type Manifest } from '#core/datasets'
import type { DatasetVersion } from '#core/steps'
import type { ObjectStore } from '#core/storage'
import { buildCatalog, CATALOG_FORMAT, type BuildHooks } from './build.ts'
import { readCatalog, type Catalog } from './catalog.ts'
import { deriveCatalog, grewFrom } from './derive.ts'

export interface CatalogOptions extends BuildHooks {
  /** A local folder for catalogs, shared by any number of processes. */
  readonly cacheDir: string
  /** For all catalogs in it together; 8 GiB where left out. */
  readonly maxBytes?: number
}

const DEFAULT_MAX_BYTES = 8 * 2 ** 30
/** A build that a kill left behind is removed when it has this age. */
const ABANDONED_MS = 24 * 3_600_000
const BUILDS = '.building'
/** So many catalogs of the dataset, the one used last first. */
const FORMER_LOOKED_AT = 4

const building = new Map<string, Promise<void>>()

/**
 * Opens the catalog of a version, and makes it first where there is none: seconds for a million images.
 *
 * @throws {PlatformError} `DATASET_NOT_FOUND`; `OBJECT_CORRUPT` when a table of the version is damaged.
 */
export async function openCatalog(
  store: ObjectStore,
  { dataset, version }: Pick<DatasetVersion, 'dataset' | 'version'>,
  options: CatalogOptions,
): Promise<Catalog> {
  const manifest = await readManifest(store, dataset, version)
  const found = toDatasetVersion(manifest)
  const file = fileOf(options.cacheDir, found)
  await ensure(store, manifest, file, options)
  try {
    return await open(file, found)
  } catch (error) {
    // Damaged, by a power cut or a full disk, or removed since: it is derived, so it is made again.
    if (!isPlatformError(error) || error.code !== 'OBJECT_CORRUPT') throw error
    await rm(file, { force: true })
    await ensure(store, manifest, file, options)
    return open(file, found)
  }
}

/** Removes all catalogs of a dataset; who reads one goes on. */
export async function dropCatalogs(cacheDir: string, dataset: string): Promise<void> {
  await rm(path.join(cacheDir, dataset), { recursive: true, force: true })
}

function fileOf(cacheDir: string, { dataset, version }: DatasetVersion): string {
  return path.join(cacheDir, dataset, `${version}.${CATALOG_FORMAT}.duckdb`)
}

async function open(file: string, version: DatasetVersion): Promise<Catalog> {
  const now = new Date()
  await utimes(file, now, now).catch(() => undefined)
  const directory = await mkdtemp(path.join(tmpdir(), 'gyre-catalog-'))
  try {
    return await readCatalog(file, version, directory)
  } catch (error) {
    await rm(directory, { recursive: true, force: true })
    throw error
  }
}

/** One build per file in this process; between processes S2 holds. */
function ensure(store: ObjectStore, version: Manifest, file: string, options: CatalogOptions): Promise<void> {
  const underWay = building.get(file)
  if (underWay) return underWay
  const made = make(store, version, file, options).finally(() => building.delete(file))
  building.set(file, made)
  return made
}

async function make(store: ObjectStore, version: Manifest, file: string, options: CatalogOptions): Promise<void> {
  if (await sizeOf(file)) return
  const directory = await scratch(options.cacheDir)
  try {
    const made =
      (await derive(store, version, directory, options)) ?? (await buildCatalog(store, version, directory, options))
    await mkdir(path.dirname(file), { recursive: true })
    await rename(made, file) // S1
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
  await makeRoom(options.cacheDir, file, options.maxBytes ?? DEFAULT_MAX_BYTES)
}

/** From the newest catalog that can serve; null where there is none, or it went or is damaged meanwhile. */
async function derive(
  store: ObjectStore,
  version: Manifest,
  directory: string,
  { cacheDir, signal, onProgress }: CatalogOptions,
): Promise<string | null> {
  signal?.throwIfAborted()
  const ending = `.${CATALOG_FORMAT}.duckdb`
  const files = (await catalogsIn(cacheDir)).filter(({ file }) => path.basename(path.dirname(file)) === version.dataset)
  for (const { file } of files.sort((a, b) => b.usedMs - a.usedMs).slice(0, FORMER_LOOKED_AT)) {
    if (!file.endsWith(ending)) continue
    try {
      const manifest = await readManifest(store, version.dataset, path.basename(file, ending))
      if (!grewFrom(version, manifest)) continue
      const made = await deriveCatalog(store, version, { manifest, file }, directory)
      onProgress?.(version.images, version.images)
      return made
    } catch {
      await rm(path.join(directory, 'catalog.duckdb'), { force: true })
    }
  }
  return null
}

async function scratch(cacheDir: string): Promise<string> {
  const folder = path.join(cacheDir, BUILDS)
  await mkdir(folder, { recursive: true })
  return mkdtemp(path.join(folder, 'catalog-'))
}

/** S3. Other processes may remove the same at the same time. */
async function makeRoom(cacheDir: string, newest: string, maxBytes: number): Promise<void> {
  await removeAbandoned(path.join(cacheDir, BUILDS))
  const files = await catalogsIn(cacheDir)
  let bytes = files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  for (const { file, sizeBytes } of files.sort((a, b) => a.usedMs - b.usedMs)) {
    if (bytes <= maxBytes) break
    if (file === newest) continue
    await rm(file, { force: true })
    bytes -= sizeBytes
  }
}

async function removeAbandoned(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [])) {
    const entry = path.join(folder, name)
    const { mtimeMs } = (await stat(entry).catch(() => null)) ?? {}
    if (mtimeMs !== undefined && Date.now() - mtimeMs > ABANDONED_MS) await rm(entry, { recursive: true, force: true })
  }
}

async function catalogsIn(cacheDir: string): Promise<{ file: string; sizeBytes: number; usedMs: number }[]> {
  const found = []
  for (const dataset of await readdir(cacheDir)) {
    if (dataset === BUILDS) continue
    for (const name of await readdir(path.join(cacheDir, dataset)).catch(() => [])) {
      const file = path.join(cacheDir, dataset, name)
      const facts = await stat(file).catch(() => null)
      if (facts?.isFile()) found.push({ file, sizeBytes: facts.size, usedMs: facts.mtimeMs })
    }
  }
  return found
}

async function sizeOf(file: string): Promise<number> {
  return (await stat(file).catch(() => null))?.size ?? 0
}
