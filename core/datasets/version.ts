/** Versions as whole tables in memory: for small datasets, and for what still reads or makes all rows at once. */
import { isDeepStrictEqual } from 'node:util'
import type { ObjectStore } from '#core/storage'
import { loadChange, openChange, writeChanged } from './change.ts'
import { readManifest, type DatasetRules, type Manifest } from './manifest.ts'
import { columnsOf, withTables } from './tables.ts'
import type { ImageLabel, StoredFacts } from './types.ts'

/** Both tables ascending by digest, row by row of the same image. */
export interface Content {
  readonly facts: readonly StoredFacts[]
  readonly labels: readonly ImageLabel[]
  readonly rules: DatasetRules
}

/** A version with its tables in memory. */
export interface LoadedVersion extends Content {
  readonly manifest: Manifest
}

export async function loadVersion(
  store: ObjectStore,
  dataset: string,
  version: string,
  directory: string,
): Promise<LoadedVersion> {
  const manifest = await readManifest(store, dataset, version)
  return withTables(
    store,
    manifest,
    async (tables) => ({
      manifest,
      facts: await tables.query<StoredFacts>(`SELECT ${columnsOf('facts')} FROM facts ORDER BY digest`),
      labels: await tables.query<ImageLabel>(`SELECT ${columnsOf('labels')} FROM labels ORDER BY digest`),
      rules: manifest.rules,
    }),
    { scratchDir: directory },
  )
}

/** Writes a version with this content that nothing points to yet; only what differs from the former one is written. */
export async function writeVersion(
  store: ObjectStore,
  dataset: string,
  { facts, labels, rules }: Content,
  { former, directory }: { readonly former: LoadedVersion | null; readonly directory: string },
): Promise<Manifest> {
  const base = former?.manifest ?? null
  const session = await openChange(store, base, directory)
  try {
    const here = new Set(facts.map(({ digest }) => digest))
    const gone = former?.facts.map(({ digest }) => digest).filter((digest) => !here.has(digest)) ?? []
    await loadChange(session, {
      facts: differing(former?.facts ?? [], facts),
      labels: differing(former?.labels ?? [], labels),
      gone,
    })
    const schema = base?.schema ?? null
    return (await writeChanged(store, session, { dataset, base, schema, rules, directory })).manifest
  } finally {
    session.close()
  }
}

function differing<R extends { readonly digest: string }>(before: readonly R[], after: readonly R[]): R[] {
  const held = new Map(before.map((row) => [row.digest, row]))
  return after.filter((row) => !isDeepStrictEqual(held.get(row.digest), row))
}
