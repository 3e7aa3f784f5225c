/** Whether a node must run: a result of this run, an equal result of an earlier one, or neither, and why. */

import { existsSync } from 'node:fs'
import { imageSetOf } from '#core/datasets'
import { issueText } from '#core/errors'
import type { Json, PlanNode } from '#core/plan'
import { readNode, recordNode } from '#core/runs'
import type { DatasetVersion, StepDefinition } from '#core/steps'
import { digestFile, type ObjectStore } from '#core/storage'
import { cacheKey, lookUp } from './cache.ts'

export type Resolution =
  | { readonly kind: 'found'; readonly origin: 'recovered' | 'hit'; readonly output: Json; readonly reason: string }
  | { readonly kind: 'run'; readonly input: Json; readonly key: string | null; readonly reason: string }
  | { readonly kind: 'invalid'; readonly code: string; readonly message: string }

export interface ResolvePorts {
  readonly store: ObjectStore
  /** The built-in steps by name. */
  readonly steps: ReadonlyMap<string, StepDefinition>
  /** Digest of a built-in step's code as this process has it. */
  readonly codeVersion: (step: string) => string
}

/** @param given - the input with its references resolved. */
export async function resolveNode(
  { store, steps, codeVersion }: ResolvePorts,
  run: string,
  node: PlanNode,
  given: Json,
): Promise<Resolution> {
  const record = await readNode(store, run, node.id)
  if (record) return { kind: 'found', origin: 'recovered', output: record.output, reason: 'kept from before' }
  // A user's step checks its own input where its code runs.
  const checked = node.bundle ? { success: true as const, data: given } : steps.get(node.step)?.input.safeParse(given)
  if (!checked) return { kind: 'invalid', code: 'PIPELINE_INVALID', message: `there is no step "${node.step}"` }
  if (!checked.success) return { kind: 'invalid', code: 'INVALID_INPUT', message: `input ${issueText(checked.error)}` }
  const input = checked.data as Json
  if (!node.policy.cache) return { kind: 'run', input, key: null, reason: 'runs every time' }
  // A plan made before an upgrade names code that this worker no longer has: what it gives now must not pass for that code's.
  const upgraded = !node.bundle && codeVersion(node.step) !== node.codeVersion
  const key = cacheKey(node.step, node.codeVersion, await keyedInput(store, steps.get(node.step), input))
  const entry = await lookUp(store, key)
  if (typeof entry === 'string') {
    const reason = entry === 'none' ? 'no equal result yet' : 'an equal result exists, but its artifact is gone'
    return upgraded
      ? { kind: 'run', input, key: null, reason: 'runs with newer code than the plan was made with' }
      : { kind: 'run', input, key, reason }
  }
  const at = new Date().toISOString()
  const reason = `same code, inputs and parameters as ${entry.run}`
  const kept = await recordNode(store, run, node.id, {
    output: entry.output,
    origin: 'hit',
    key,
    attempts: 0,
    startedAt: at,
    endedAt: at,
    reason,
  })
  return { kind: 'found', origin: 'hit', output: kept.output, reason }
}

/** The input as the result depends on it: files by their bytes, a dataset version by its images where labels do not matter. */
async function keyedInput(store: ObjectStore, step: StepDefinition | undefined, input: Json): Promise<Json> {
  const keyed = { ...(input as Record<string, Json>) }
  for (const name of step?.files ?? []) {
    const file = keyed[name]
    if (typeof file === 'string' && existsSync(file)) keyed[name] = await digestFile(file)
  }
  if (step?.ignoresLabels) {
    const version = keyed.version as DatasetVersion
    keyed.version = { dataset: version.dataset, imageSet: await imageSetOf(store, version) }
  }
  return keyed
}
