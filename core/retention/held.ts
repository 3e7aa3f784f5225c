/** Which versions of datasets something holds: refs within the policy, and every record that names one. */

import type { ObjectKey, ObjectStore } from '#core/storage'
import { endOf } from './dead-imports.ts'
import { recordKind } from './layout.ts'
import { KEEP_ALL, listHolds, readPolicy, type RetentionPolicy } from './policy.ts'

const DAY_MS = 24 * 3_600_000

interface DatedRef {
  readonly dataset: string
  readonly ref: string
  readonly seq: number
  readonly versions: Set<string>
  atMs: number
}

/** What records say of versions, gathered while they are read. */
export class VersionUse {
  /** By the key of the entry. */
  readonly refs = new Map<ObjectKey, DatedRef>()
  /** Key of a history record → its version and time. */
  readonly history = new Map<ObjectKey, { readonly dataset: string; readonly version: string; atMs: number }>()
  /** Run → versions it names. */
  readonly runs = new Map<string, Set<string>>()
  /** Versions that other records name: models, endpoints, batch tasks, sessions, holds, records of unknown kinds. */
  readonly others = new Set<string>()

  note(version: string, key: ObjectKey): void {
    const { kind, ...of } = recordKind(key)
    if (kind === 'ref') this.#refEntry(key).versions.add(version)
    else if (kind === 'run') this.#versionsOf((of as { run: string }).run).add(version)
    else if (kind === 'other') this.others.add(version)
  }

  /** When an entry of a ref, or of the history, was made. */
  async date(store: ObjectStore, key: ObjectKey): Promise<void> {
    const { at } = JSON.parse(Buffer.from(await store.get(key)).toString()) as { at?: string }
    const atMs = Date.parse(at ?? '') || 0
    const [, dataset = '', , version = ''] = key.split('/')
    if (recordKind(key).kind === 'ref') this.#refEntry(key).atMs = atMs
    else this.history.set(key, { dataset, version, atMs })
  }

  #refEntry(key: ObjectKey): DatedRef {
    const [, dataset = '', , ...rest] = key.split('/')
    const seq = Number(/(\d+)\.json$/.exec(key)?.[1] ?? 0)
    const entry = this.refs.get(key) ?? { dataset, ref: rest.slice(0, -1).join('/'), seq, versions: new Set(), atMs: 0 }
    this.refs.set(key, entry)
    return entry
  }

  #versionsOf(run: string): Set<string> {
    const versions = this.runs.get(run) ?? new Set<string>()
    this.runs.set(run, versions)
    return versions
  }
}

interface HoldOptions {
  /** Digest of each version there is → the datasets that have it. */
  readonly datasetsOf: ReadonlyMap<string, readonly string[]>
  /** Milliseconds since 1970. */
  readonly now: number
}

/** @returns digests; what is held in one dataset is held in all. */
export async function heldVersions(
  store: ObjectStore,
  use: VersionUse,
  { datasetsOf, now }: HoldOptions,
): Promise<ReadonlySet<string>> {
  const policies = new Map<string, RetentionPolicy>()
  const datasets = new Set([...datasetsOf.values()].flat())
  for (const dataset of datasets) policies.set(dataset, (await readPolicy(store, dataset)).policy)
  const policyOf = (dataset: string): RetentionPolicy => policies.get(dataset) ?? KEEP_ALL

  const held = new Set(use.others)
  for (const version of await underHold(store, datasets, datasetsOf)) held.add(version)
  for (const version of heldByRefs(use, policyOf, now)) held.add(version)
  for (const { dataset, version, atMs } of use.history.values())
    if (isWithin(policyOf(dataset), { rank: Infinity, untilMs: atMs }, now)) held.add(version)
  for (const [run, versions] of use.runs) {
    const asked = [...versions].filter((version) => !held.has(version))
    if (asked.length === 0) continue
    const longest = (version: string): number =>
      Math.max(...(datasetsOf.get(version) ?? ['']).map((dataset) => policyOf(dataset).runDays ?? Infinity))
    const isBounded = asked.some((version) => longest(version) < Infinity)
    const endedMs = isBounded ? await endOf(store, run) : Infinity
    for (const version of asked) if (now - endedMs < longest(version) * DAY_MS) held.add(version)
  }
  return held
}

async function underHold(
  store: ObjectStore,
  datasets: ReadonlySet<string>,
  datasetsOf: ReadonlyMap<string, readonly string[]>,
): Promise<readonly string[]> {
  const versions: string[] = []
  const whole = new Set<string>()
  for (const dataset of datasets)
    for (const { version } of await listHolds(store, dataset))
      if (version === null) whole.add(dataset)
      else versions.push(version)
  const all = [...datasetsOf].filter(([, names]) => names.some((name) => whole.has(name)))
  return [...versions, ...all.map(([version]) => version)]
}

/** The newest entry of every ref, and those before it that the policy keeps. */
function* heldByRefs(
  { refs }: VersionUse,
  policyOf: (dataset: string) => RetentionPolicy,
  now: number,
): Iterable<string> {
  const logs = new Map<string, DatedRef[]>()
  for (const entry of refs.values()) {
    const name = `${entry.dataset}/${entry.ref}`
    logs.set(name, [...(logs.get(name) ?? []), entry])
  }
  for (const entries of logs.values()) {
    const newestFirst = entries.sort((a, b) => b.seq - a.seq)
    for (const [rank, { dataset, versions }] of newestFirst.entries()) {
      // A ref points to a version until its next move.
      const untilMs = newestFirst[rank - 1]?.atMs ?? now
      if (rank === 0 || isWithin(policyOf(dataset), { rank, untilMs }, now)) yield* versions
    }
  }
}

function isWithin(
  { versions, days }: RetentionPolicy,
  { rank, untilMs }: { readonly rank: number; readonly untilMs: number },
  now: number,
): boolean {
  if (versions === null && days === null) return true
  return (versions !== null && rank < versions) || (days !== null && now - untilMs < days * DAY_MS)
}
