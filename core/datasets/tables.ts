/** The tables of a version as SQL sees them. */
import type { DatasetVersion } from '#core/steps'
import { blobFile, type ObjectStore } from '#core/storage'
import { openTableSession, type ColumnType, type TableFiles, type TableSession } from '#core/tables'
import { readManifest, type Manifest, type Table } from './manifest.ts'
import { withScratch } from './scratch.ts'
import type { Box, ImageLabel, StoredFacts } from './types.ts'

type ColumnsOf<R> = Readonly<Record<keyof R & string, ColumnType>>

export const factColumns: ColumnsOf<StoredFacts> = {
  digest: 'text',
  pack: 'text',
  offset: 'integer',
  sizeBytes: 'integer',
  width: 'integer',
  height: 'integer',
  format: 'text',
  group: 'text',
  source: 'text',
  look: 'text',
  uri: 'text',
  etag: 'text',
  brightness: 'number',
  contrast: 'number',
  blur: 'number',
  entropy: 'number',
  colour: 'number',
  camera: 'text',
  takenAt: 'text',
}

export const labelColumns: ColumnsOf<ImageLabel> = {
  digest: 'text',
  split: 'text',
  label: 'text',
  tags: 'texts',
  attributes: 'text',
  origin: 'text',
  humanSeen: 'boolean',
  randomDraw: 'boolean',
  excluded: 'text',
}

export const boxColumns: ColumnsOf<Box> = {
  digest: 'text',
  number: 'integer',
  class: 'text',
  x: 'number',
  y: 'number',
  width: 'number',
  height: 'number',
  attributes: 'text',
  origin: 'text',
}

export const TABLES = { facts: factColumns, labels: labelColumns, boxes: boxColumns } as const
export type TableName = keyof typeof TABLES
export const TABLE_NAMES = Object.keys(TABLES) as readonly TableName[]

const NO_TABLE: Table = { base: [], deltas: [], rows: 0 }

export function tableOf(manifest: Manifest | null, name: TableName): Table {
  return manifest?.[name] ?? NO_TABLE
}

/** Columns of a table, quoted, as a list for SELECT. */
export function columnsOf(name: TableName, alias?: string): string {
  const from = alias === undefined ? '' : `${alias}.`
  return Object.keys(TABLES[name])
    .map((column) => `${from}"${column}"`)
    .join(', ')
}

export interface TablesOptions {
  /** Where copies of shards may lie while the session is open; the system's folder for temporary files by default. */
  readonly scratchDir?: string
  /** A database file to build in; else what is made lies in memory. */
  readonly file?: string
  readonly threads?: number
  readonly memoryMiB?: number
}

/**
 * A version's tables `facts`, `labels` and `boxes` as they are with all deltas. `close` removes what was copied.
 *
 * @throws {PlatformError} `DATASET_NOT_FOUND`; `OBJECT_CORRUPT` when a shard is no table.
 */
export async function openTables(
  store: ObjectStore,
  { dataset, version }: Pick<DatasetVersion, 'dataset' | 'version'>,
  options: TablesOptions = {},
): Promise<TableSession> {
  const manifest = await readManifest(store, dataset, version)
  return new Promise((resolve, reject) => {
    withScratch(async (directory) => {
      const session = await openTableSession({
        ...options,
        directory,
        views: await viewsOf(store, manifest, directory),
      })
      await new Promise<void>((closed) => resolve({ ...session, close: () => (session.close(), closed()) }))
    }, options.scratchDir).catch(reject)
  })
}

/** Rows of a version's tables, once, by a session of its own. */
export function withTables<T>(
  store: ObjectStore,
  version: Pick<DatasetVersion, 'dataset' | 'version'>,
  work: (tables: TableSession) => Promise<T>,
  options?: TablesOptions,
): Promise<T> {
  return openTables(store, version, options).then((tables) => work(tables).finally(() => tables.close()))
}

/** @param prefix - of the names of the views, where a session shows several versions. */
export async function viewsOf(
  store: ObjectStore,
  manifest: Manifest | null,
  directory: string,
  prefix = '',
): Promise<Record<string, TableFiles>> {
  const views: Record<string, TableFiles> = {}
  for (const name of TABLE_NAMES)
    views[`${prefix}${name}`] = await tableFiles(store, tableOf(manifest, name), { name, directory })
  return views
}

export async function tableFiles(
  store: ObjectStore,
  { base, deltas }: Table,
  { name, directory }: { readonly name: TableName; readonly directory: string },
): Promise<TableFiles> {
  const local = async (shards: readonly { readonly blob: Table['base'][number]['blob'] }[]): Promise<string[]> => {
    const files: string[] = []
    for (const { blob } of shards) files.push(await blobFile(store, blob, directory))
    return files
  }
  return { base: await local(base), deltas: await local(deltas), columns: TABLES[name] }
}
