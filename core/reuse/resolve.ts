/**
 * Whether a node must run: a result of this run, one of the run that this one is based on, an equal result of an earlier
 * one, or none, and why.
 *
 * U1  A result stands in only for an equal basis: step, code, salt and every input by content.
 * U2  A step that must not be cached is taken over from the base only where nothing before it ran.
 * U3  An approval stands for the bytes that it approved: with an equal subject it holds whatever ran before.
 * U4  No result stands in whose artifacts are not all there.
 */

import { issueText } from '#core/errors'
import type { Json, PlanNode } from '#core/plan'
import { forgetNode, readNode, recordNode, type Basis, type NodeRecord } from '#core/runs'
import type { StepDefinition } from '#core/steps'
import type { ObjectStore } from '#core/storage'
import { artifactTrouble, removeDamaged, type ArtifactTrouble } from './artifacts.ts'
import { keyedInput, sameBasis } from './basis.ts'
import { cacheKey, forget, lookUp, readEntry } from './cache.ts'
import { whyNew } from './changes.ts'
import { lineageOf, type Lineage } from './lineage.ts'

export type Resolution =
  | {
      readonly kind: 'found'
      readonly origin: 'recovered' | 'hit' | 'reused'
      readonly output: Json
      readonly reason: string
      /** Whether it was computed in this run, before a resume. */
      readonly ran?: boolean
    }
  | {
      readonly kind: 'run'
      readonly input: Json
      readonly key: string | null
      readonly reason: string
      /** Goes into the record of the result. */
      readonly basis?: Basis
    }
  | Invalid

interface Invalid {
  readonly kind: 'invalid'
  readonly code: string
  readonly message: string
}

export interface ResolvePorts {
  readonly store: ObjectStore
  /** The built-in steps by name. */
  readonly steps: ReadonlyMap<string, StepDefinition>
  /** Digest of a built-in step's code as this process has it. */
  readonly codeVersion: (step: string) => string
}

export interface ResolveOptions {
  /** Whether a node that this one depends on, however indirectly, was computed in this run; yes where unknown. */
  readonly ranBefore?: boolean
  /** Keeps the record of a result that stands in; `recordNode` where left out. */
  readonly record?: typeof recordNode
}

/** What is decided of a node before anything is written. */
export type Decision =
  | {
      readonly kind: 'found'
      readonly origin: 'hit' | 'reused'
      readonly output: Json
      readonly key: string | null
      readonly basis: Basis
      readonly reason: string
    }
  | {
      readonly kind: 'run'
      readonly input: Json
      readonly key: string | null
      readonly basis: Basis
      readonly reason: string
      /** A remembered result of this key that must not stand any longer. */
      readonly drops: boolean
    }
  | Invalid

/** @param given - the input with its references resolved. */
export async function resolveNode(
  ports: ResolvePorts,
  run: string,
  node: PlanNode,
  given: Json,
  options: ResolveOptions = {},
): Promise<Resolution> {
  const { store } = ports
  const before = await recovered(store, run, node)
  if (before && 'kind' in before) return before
  const decision = await decideNode(ports, await lineageOf(store, run), node, given, options)
  if (decision.kind === 'invalid') return decision
  if (decision.kind === 'found') {
    const { origin, reason, key, basis } = decision
    const at = new Date().toISOString()
    const record = { output: decision.output, origin, key, attempts: 0, startedAt: at, endedAt: at, reason, basis }
    const { output } = await (options.record ?? recordNode)(store, run, node.id, record)
    return { kind: 'found', origin, output, reason }
  }
  const { input, key, basis, drops } = decision
  if (key && drops) await dropEntry(store, key)
  return { kind: 'run', input, key, basis, reason: before ? artifactIs(before.trouble, run) : decision.reason }
}

/** A result from before a resume; one whose artifacts are not all there is forgotten (U4). */
async function recovered(
  store: ObjectStore,
  run: string,
  { id }: PlanNode,
): Promise<Extract<Resolution, { kind: 'found' }> | { readonly trouble: ArtifactTrouble } | null> {
  const record = await readNode(store, run, id)
  if (!record) return null
  const trouble = await artifactTrouble(store, record.output)
  if (trouble) {
    await removeDamaged(store, record.output)
    await forgetNode(store, run, id)
    return { trouble }
  }
  const { output, origin } = record
  return { kind: 'found', origin: 'recovered', output, reason: 'kept from before', ran: origin === 'ran' }
}

async function dropEntry(store: ObjectStore, key: string): Promise<void> {
  const entry = await readEntry(store, key)
  if (entry) await removeDamaged(store, entry.output)
  await forget(store, key)
}

/** Reads alone, so that it serves forecasts too. */
export async function decideNode(
  { store, steps, codeVersion }: ResolvePorts,
  lineage: Lineage,
  node: PlanNode,
  given: Json,
  { ranBefore = true }: ResolveOptions = {},
): Promise<Decision> {
  // A user's step, and any step of a map, checks its input where its code runs.
  const isOwn = node.bundle !== null || node.kind === 'map'
  const step = isOwn ? undefined : steps.get(node.step)
  const checked = isOwn ? { success: true as const, data: given } : step?.input.safeParse(given)
  if (!checked) return { kind: 'invalid', code: 'PIPELINE_INVALID', message: `there is no step "${node.step}"` }
  if (!checked.success) return { kind: 'invalid', code: 'INVALID_INPUT', message: `input ${issueText(checked.error)}` }
  const input = checked.data as Json
  const keyed = await keyedInput(store, node, step, input)
  const key = cacheKey(node.step, node.codeVersion, keyed.input, node.policy.salt)
  const isForced = lineage.base?.forced.includes(node.id) ?? false
  const kept =
    lineage.base && !isForced ? await takenOver(store, lineage.base.run, node, { ...keyed, key, ranBefore }) : null
  if (kept && 'output' in kept) return kept
  const entry = node.policy.cache && !isForced ? await lookUp(store, key) : null
  if (entry !== null && typeof entry === 'object') {
    const reason = `same code, inputs and parameters as ${entry.run}`
    return { kind: 'found', origin: 'hit', output: entry.output, key, basis: keyed.basis, reason }
  }
  // A plan made before an upgrade names code that this worker no longer has: what it gives now must not pass for that code's.
  const now = node.bundle ? node.codeVersion : codeVersion(node.step)
  const isUpgraded = now !== node.codeVersion
  const basis = { ...keyed.basis, codeVersion: now }
  const because = async (): Promise<string> => {
    if (isForced) return 'asked for'
    if (isUpgraded) return 'runs with newer code than the plan was made with'
    if (kept) return artifactIs(kept.trouble, lineage.base!.run)
    if (entry) return artifactIs(entry)
    return whyNew(store, lineage, node, step, basis)
  }
  return {
    kind: 'run',
    input,
    key: node.policy.cache && !isUpgraded ? key : null,
    basis,
    reason: await because(),
    drops: entry !== null || isForced,
  }
}

interface Candidate {
  readonly basis: Basis
  readonly key: string
  readonly ranBefore: boolean
}

/** The result of the base where it still holds (U1–U4), or what is wrong with its artifacts. */
async function takenOver(
  store: ObjectStore,
  base: string,
  node: PlanNode,
  { basis, key, ranBefore }: Candidate,
): Promise<Extract<Decision, { kind: 'found' }> | { readonly trouble: ArtifactTrouble } | null> {
  const record = await readNode(store, base, node.id)
  if (!record || !isEqual(record, basis, key)) return null
  if (ranBefore && !node.policy.cache && !isOfSubject(node, basis)) return null
  const trouble = await artifactTrouble(store, record.output)
  if (trouble) return { trouble }
  const reason = node.kind === 'approve' ? `approved in ${base}, and its subject is the same` : `as in ${base}`
  return { kind: 'found', origin: 'reused', output: record.output, key: record.key, basis, reason }
}

/** A record from before bases were kept is known by its key. */
function isEqual(record: NodeRecord, basis: Basis, key: string): boolean {
  return record.basis ? sameBasis(record.basis, basis) : record.key === key
}

/** An approval of something, as opposed to one that only holds a run up (U3). */
function isOfSubject({ kind }: PlanNode, { values, inputs }: Basis): boolean {
  return kind === 'approve' && inputs.subject !== undefined && values.subject !== null
}

function artifactIs(trouble: ArtifactTrouble, run?: string): string {
  return `an equal result exists${run ? ` in ${run}` : ''}, but its artifact is ${trouble}`
}
