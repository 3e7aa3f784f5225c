/**
 * Where a version came from. Of each version there is a record per way it came about, under
 * `datasets/<name>/history/<version>/<digest of the record>.json`, create-only: equal content may be reached twice.
 */
import { isPlatformError } from '#core/errors'
import type { Json } from '#core/plan'
import type { DatasetVersion } from '#core/steps'
import { canonicalJson, digestJson, pointerHistory, type ObjectStore } from '#core/storage'
import type { VersionDiff } from './diff.ts'
import { readManifest } from './manifest.ts'
import { listRefs, notFound, readRef, refPrefix, type RefValue } from './refs.ts'

/** What made a version, for machines: `{ kind: 'import', run, source }`. */
export type Cause = Readonly<Record<string, Json>>

export interface HistoryRecord {
  /** Digests of the versions it was made from; the first is the one that a merge went into. None of a first version. */
  readonly parents: readonly string[]
  readonly by: string
  /** ISO 8601. */
  readonly at: string
  readonly note: string
  readonly cause: Cause | null
  /** Against the first parent; of a first version, what it holds. */
  readonly changes: VersionDiff
}

export interface HistoryEntry extends Omit<HistoryRecord, 'changes'> {
  readonly version: string
  readonly images: number
  /** Null of versions that were made before this was kept. */
  readonly changes: VersionDiff | null
  /** Refs that point to it now. */
  readonly refs: readonly string[]
}

function historyPrefix(dataset: string, version: string): string {
  return `datasets/${dataset}/history/${version}/`
}

/** Keeps how a version came about; the same way, told again after a crash, is kept once. */
export async function recordHistory(
  store: ObjectStore,
  { dataset, version }: Pick<DatasetVersion, 'dataset' | 'version'>,
  record: Omit<HistoryRecord, 'at'>,
): Promise<void> {
  const way = ({ parents, by, note, cause }: Omit<HistoryRecord, 'at'>): string =>
    canonicalJson({ parents, by, note, cause })
  const known = await recordsOf(store, dataset, version)
  if (record.parents.includes(version) || known.some((other) => way(other) === way(record))) return
  const kept: HistoryRecord = { ...record, at: new Date().toISOString() }
  await store.create(`${historyPrefix(dataset, version)}${digestJson(kept)}.json`, Buffer.from(canonicalJson(kept)))
}

/** Oldest first. */
async function recordsOf(store: ObjectStore, dataset: string, version: string): Promise<readonly HistoryRecord[]> {
  const records: HistoryRecord[] = []
  for await (const { key } of store.list(historyPrefix(dataset, version)))
    records.push(JSON.parse(Buffer.from(await store.get(key)).toString()) as HistoryRecord)
  return records.sort((a, b) => (a.at < b.at ? -1 : 1))
}

type KnownRecord = Omit<HistoryRecord, 'changes'> & Pick<HistoryEntry, 'changes'>

/** Walks from versions to their parents. Of versions without a record, the moves of `latest` say what came before. */
export class Ancestry {
  #moves:
    | Promise<readonly { readonly version: string; readonly at: string; readonly by: string; readonly note: string }[]>
    | undefined
  readonly #records = new Map<string, Promise<readonly HistoryRecord[]>>()

  constructor(
    private readonly store: ObjectStore,
    private readonly dataset: string,
  ) {}

  /** How it came about, the first way first. */
  async recordsOf(version: string): Promise<readonly KnownRecord[]> {
    const kept = this.#records.get(version) ?? recordsOf(this.store, this.dataset, version)
    this.#records.set(version, kept)
    const records = await kept
    const [move] = await this.#fromMoves(version)
    // A record is written before the ref moves: one that came later tells of another way to the same content.
    return move && !(records[0] && records[0].at <= move.at) ? [move, ...records] : records
  }

  async parentsOf(version: string): Promise<readonly string[]> {
    return [...new Set((await this.recordsOf(version)).flatMap(({ parents }) => parents))]
  }

  /** The version that two came from, found from both by turns; null where they have none in common. */
  async commonBase(one: string, other: string): Promise<string | null> {
    if (one === other) return one
    const seen = [new Set([one]), new Set([other])] as const
    let frontiers: [string[], string[]] = [[one], [other]]
    while (frontiers[0].length + frontiers[1].length > 0) {
      const next: [string[], string[]] = [[], []]
      for (const side of [0, 1] as const)
        for (const version of frontiers[side])
          for (const parent of await this.parentsOf(version)) {
            if (seen[1 - side]!.has(parent)) return parent
            if (seen[side].has(parent)) continue
            seen[side].add(parent)
            next[side].push(parent)
          }
      frontiers = next
    }
    return null
  }

  async #fromMoves(version: string): Promise<readonly KnownRecord[]> {
    this.#moves ??= pointerHistory<RefValue>(this.store, refPrefix(this.dataset, 'latest')).then((moves) =>
      moves.map(({ value, at, by }) => ({ ...value, at, by })),
    )
    const moves = await this.#moves
    const index = moves.findIndex((move) => move.version === version)
    const move = moves[index]
    if (!move) return []
    const { at, by, note } = move
    return [
      {
        parents: moves
          .slice(0, index)
          .slice(-1)
          .map((former) => former.version),
        at,
        by,
        note,
        cause: null,
        changes: null,
      },
    ]
  }
}

/**
 * The versions that a version came from, newest first, itself included.
 *
 * @param limit - the most entries.
 * @throws {PlatformError} `DATASET_NOT_FOUND`.
 */
export async function versionHistory(
  store: ObjectStore,
  dataset: string,
  options: { readonly ref?: string; readonly version?: string; readonly limit?: number } = {},
): Promise<readonly HistoryEntry[]> {
  const { ref = 'latest', limit = 1_000 } = options
  const head = options.version ?? (await readRef(store, dataset, ref))?.value.version
  if (head === undefined) throw notFound(dataset, ref)
  const ancestry = new Ancestry(store, dataset)
  const refs = await listRefs(store, dataset)
  const entries: HistoryEntry[] = []
  const waiting = new Map<string, KnownRecord>()
  const seen = new Set<string>()
  const meet = async (version: string): Promise<void> => {
    if (seen.has(version)) return
    seen.add(version)
    waiting.set(version, (await ancestry.recordsOf(version))[0] ?? UNKNOWN)
  }
  await meet(head)
  while (waiting.size > 0 && entries.length < limit) {
    const [version, record] = [...waiting].reduce((newest, other) => (other[1].at > newest[1].at ? other : newest))
    waiting.delete(version)
    // The retention policy lets old versions go; what is known of how they came about stays.
    const manifest = await readManifest(store, dataset, version).catch(nullWhereGone)
    const here = refs.filter((other) => other.version === version).map(({ name }) => name)
    if (manifest) entries.push({ version, images: manifest.images, ...record, refs: here })
    for (const parent of await ancestry.parentsOf(version)) await meet(parent)
  }
  return entries
}

function nullWhereGone(error: unknown): null {
  if (isPlatformError(error) && error.code === 'DATASET_NOT_FOUND') return null
  throw error
}

/** Of a version that no move of `latest` and no record tells of, such as one that a tag alone points to. */
const UNKNOWN: KnownRecord = { parents: [], by: '', at: '', note: '', cause: null, changes: null }
