/**
 * Runs in the store, where they outlive the engine's own memory: the frozen plan, one create-only result per node, and
 * one outcome per generation (a resume is the next generation of the same run).
 */

import { PlatformError } from '#core/errors'
import { presentPlan, UnknownPlanFormat, type Json, type Plan } from '#core/plan'
import { canonicalJson, namesUnder, type ObjectStore } from '#core/storage'
import type { Basis, RunStatus, StepOrigin } from './types.ts'

export interface RunRecord {
  readonly run: string
  readonly plan: Plan
  readonly by: string
  readonly startedAt: string
  /** What made it start, where that was not a person's command. */
  readonly cause?: RunCause
  /** The run whose results it takes over where they are still valid. */
  readonly basedOn?: RunBase
  /** The earlier run of the same pipeline that reasons speak of; null where there is none. */
  readonly comparedWith?: string | null
}

export interface RunCause {
  readonly kind: 'schedule' | 'new-images' | 'ref-moved' | 'drift' | 'run-ended' | 'webhook' | 'backfill'
  /** One line for people: "340 new images in parts since 3 days ago". */
  readonly text: string
  /** Name of the trigger. */
  readonly trigger: string
}

export interface RunBase {
  readonly kind: 'rerun' | 'fork'
  readonly run: string
  /** Nodes that run whatever is known of them. */
  readonly forced: readonly string[]
}

export interface NodeRecord {
  readonly output: Json
  readonly origin: Extract<StepOrigin, 'ran' | 'hit' | 'reused'>
  readonly key: string | null
  readonly attempts: number
  readonly startedAt: string
  readonly endedAt: string
  readonly reason: string | null
  /** What the result depends on; records from before it was kept lack it. */
  readonly basis?: Basis
}

/** How one node of one generation ended, as the workflow reports it. */
export interface NodeOutcome {
  readonly id: string
  readonly status: string
  readonly origin: StepOrigin | null
  readonly attempts: number
  readonly startedAt: string | null
  readonly endedAt: string | null
  readonly reason: string | null
  readonly code: string | null
  readonly outputs: Json
}

export interface OutcomeRecord {
  readonly status: RunStatus
  readonly nodes: readonly NodeOutcome[]
  readonly endedAt: string
}

/** Newest first, since listings ascend. */
const indexKey = ({ run, plan, startedAt }: RunRecord): string =>
  `${indexPrefix(plan.pipeline)}${String(LAST_MS - Date.parse(startedAt)).padStart(13, '0')}-${run}`
const indexPrefix = (pipeline: string): string => `pipelines/${pipeline}/runs/`
const LAST_MS = 9_999_999_999_999
const derivedPrefix = (run: string): string => `runs/${run}/derived/`

const runKey = (run: string): string => `runs/${run}/plan.json`
const nodeKey = (run: string, node: string): string => `runs/${run}/nodes/${node}.json`
const generationKey = (run: string, generation: number, name: string): string =>
  `runs/${run}/g${String(generation).padStart(4, '0')}/${name}.json`

/**
 * Writes a run, and first from where it is found: the list of its pipeline, and the run that it is based on. What these
 * name and does not exist is a run whose start was cut short.
 *
 * @returns false when the run exists already.
 */
export async function createRun(store: ObjectStore, record: RunRecord): Promise<boolean> {
  if (await store.head(runKey(record.run))) return false
  await store.create(indexKey(record), new Uint8Array())
  if (record.basedOn) await store.create(derivedPrefix(record.basedOn.run) + record.run, new Uint8Array())
  return store.create(runKey(record.run), encode(record))
}

/** Ids of runs of one pipeline, newest first. */
export async function runsOf(store: ObjectStore, pipeline: string, limit: number): Promise<readonly string[]> {
  const ids: string[] = []
  for await (const { key } of store.list(indexPrefix(pipeline), { limit }))
    ids.push(key.slice(indexPrefix(pipeline).length + 14))
  return ids
}

const CANDIDATES = 5

/** The earlier run that a new one of this pipeline is compared with: the newest completed one among the last few, else the newest. */
export async function runToCompareWith(store: ObjectStore, pipeline: string): Promise<string | null> {
  const runs = await runsOf(store, pipeline, CANDIDATES)
  for (const run of runs) {
    const outcome = await readOutcome(store, run, await lastGeneration(store, run))
    if (outcome?.status === 'completed') return run
  }
  return runs[0] ?? null
}

/** Ids of the runs that took over results of this one. */
export async function runsBasedOn(store: ObjectStore, run: string): Promise<readonly string[]> {
  const ids: string[] = []
  for await (const { key } of store.list(derivedPrefix(run))) ids.push(key.slice(derivedPrefix(run).length))
  return ids
}

/** @throws {PlatformError} `RUN_NOT_FOUND`, `PLAN_FORMAT_UNKNOWN`. */
export async function readRun(store: ObjectStore, run: string): Promise<RunRecord> {
  const record = await readJson<RunRecord>(store, runKey(run))
  if (!record)
    throw new PlatformError('RUN_NOT_FOUND', `there is no run "${run}"; list them with gyre run list`, { run })
  try {
    return { ...record, plan: presentPlan(record.plan) }
  } catch (error) {
    if (!(error instanceof UnknownPlanFormat)) throw error
    throw new PlatformError('PLAN_FORMAT_UNKNOWN', `run "${run}": ${error.message}`, { run }, { cause: error })
  }
}

/** Ids of all runs, oldest name first. */
export function listRunIds(store: ObjectStore): Promise<readonly string[]> {
  return namesUnder(store, 'runs')
}

export function readNode(store: ObjectStore, run: string, node: string): Promise<NodeRecord | null> {
  return readJson<NodeRecord>(store, nodeKey(run, node))
}

/** Keeps the first result: a second one of the same node is dropped. @returns the result that stands. */
export async function recordNode(
  store: ObjectStore,
  run: string,
  node: string,
  record: NodeRecord,
): Promise<NodeRecord> {
  if (await store.create(nodeKey(run, node), encode(record))) return record
  return (await readNode(store, run, node))!
}

/** Lets a node be computed again: for a result whose artifacts are no longer there. */
export function forgetNode(store: ObjectStore, run: string, node: string): Promise<void> {
  return store.delete(nodeKey(run, node))
}

export async function nodeRecords(store: ObjectStore, run: string): Promise<ReadonlyMap<string, NodeRecord>> {
  const records = new Map<string, NodeRecord>()
  const prefix = `runs/${run}/nodes/`
  for await (const { key } of store.list(prefix)) {
    const record = await readJson<NodeRecord>(store, key)
    if (record) records.set(key.slice(prefix.length, -'.json'.length), record)
  }
  return records
}

/** Opens the next generation. @returns its number, from 1; two callers never get the same one. */
export async function openGeneration(store: ObjectStore, run: string, by: string): Promise<number> {
  for (let generation = (await lastGeneration(store, run)) + 1; ; generation += 1)
    if (await store.create(generationKey(run, generation, 'opened'), encode({ by, at: new Date().toISOString() })))
      return generation
}

/** Who opened a generation, and when. */
export function readOpening(
  store: ObjectStore,
  run: string,
  generation: number,
): Promise<{ readonly by: string; readonly at: string } | null> {
  return readJson(store, generationKey(run, generation, 'opened'))
}

/** Takes back a generation that was opened and in which nothing ran: another one stands in its place. */
export function forgetGeneration(store: ObjectStore, run: string, generation: number): Promise<void> {
  return store.delete(generationKey(run, generation, 'opened'))
}

export async function lastGeneration(store: ObjectStore, run: string): Promise<number> {
  let last = 0
  for await (const { key } of store.list(`runs/${run}/g`))
    last = Math.max(last, Number(/\/g(\d+)\//.exec(key)?.[1] ?? 0))
  return last
}

export async function recordOutcome(
  store: ObjectStore,
  run: string,
  generation: number,
  outcome: OutcomeRecord,
): Promise<void> {
  await store.create(generationKey(run, generation, 'outcome'), encode(outcome))
}

export function readOutcome(store: ObjectStore, run: string, generation: number): Promise<OutcomeRecord | null> {
  return readJson<OutcomeRecord>(store, generationKey(run, generation, 'outcome'))
}

const encode = (value: unknown): Uint8Array => new TextEncoder().encode(canonicalJson(value))

async function readJson<T>(store: ObjectStore, key: string): Promise<T | null> {
  try {
    return JSON.parse(new TextDecoder().decode(await store.get(key))) as T
  } catch (error) {
    if (error instanceof PlatformError && error.code === 'OBJECT_NOT_FOUND') return null
    throw error
  }
}
