/** What a result depends on, and what of it changed since an earlier result, in words. */

import { existsSync } from 'node:fs'
import { imageSetOf } from '#core/datasets'
import type { Json, PlanNode } from '#core/plan'
import type { Basis } from '#core/runs'
import type { DatasetVersion, StepDefinition } from '#core/steps'
import { canonicalJson, digestFile, digestJson, type ObjectStore } from '#core/storage'

/** Inputs of more characters are kept as digests alone. */
const LONGEST_VALUE = 240

/** How long an approval is waited for, and who is told meanwhile, is no part of what was approved. */
const WAITING_TERMS = ['deadline', 'onDeadline', 'escalateAfter', 'escalateTo']

export interface Keyed {
  readonly basis: Basis
  /** The input as the result depends on it: what a cache key is made of. */
  readonly input: Json
}

/**
 * @param step - the built-in step that the node carries out; undefined for a user's own.
 * @param input - as the step's schema read it.
 */
export async function keyedInput(
  store: ObjectStore,
  node: PlanNode,
  step: StepDefinition | undefined,
  input: Json,
): Promise<Keyed> {
  // A map that may lose items gives another result than one that may not.
  const bounds: Record<string, Json> = node.map ? { atLeast: node.map.atLeast } : {}
  const given: Record<string, Json> = { ...(isObject(input) ? input : { input }), ...bounds }
  const whole = await byContent(store, step, given)
  // What is ignored of a map lies in the input of its items.
  const items = node.map && isObject(whole.input!) ? { input: withoutNames(whole.input, leftOut(node)) } : {}
  const keyed = { ...withoutNames(whole, node.map ? [] : leftOut(node)), ...items }
  const inputs = Object.fromEntries(Object.entries(keyed).map(([name, value]) => [name, digestJson(value)]))
  const values = Object.fromEntries(
    Object.keys(keyed)
      .map((name) => [name, given[name]!] as const)
      .filter(([, value]) => canonicalJson(value).length <= LONGEST_VALUE),
  )
  const { container, policy } = node
  const basis: Basis = {
    step: node.step,
    codeVersion: node.codeVersion,
    ...(policy.salt === undefined ? {} : { salt: policy.salt }),
    ...(container ? { container: { image: container.image, digest: digestJson(container) } } : {}),
    inputs,
    values,
  }
  return { basis, input: isObject(input) ? keyed : input }
}

export function sameBasis(a: Basis, b: Basis): boolean {
  return digestJson({ ...a, values: null }) === digestJson({ ...b, values: null })
}

function leftOut({ kind, policy }: PlanNode): readonly string[] {
  return [...(policy.ignore ?? []), ...(kind === 'approve' ? WAITING_TERMS : [])]
}

/** Files by their bytes, a dataset version by its images where labels do not matter. */
async function byContent(
  store: ObjectStore,
  step: StepDefinition | undefined,
  given: Readonly<Record<string, Json>>,
): Promise<Record<string, Json>> {
  const keyed = { ...given }
  for (const name of step?.files ?? []) {
    const given = keyed[name]
    if (typeof given === 'string') keyed[name] = await fileDigest(given)
    else if (Array.isArray(given)) keyed[name] = await Promise.all(given.map(fileDigest))
  }
  if (step?.ignoresLabels) {
    const version = keyed.version as DatasetVersion
    keyed.version = { dataset: version.dataset, imageSet: await imageSetOf(store, version) }
  }
  return keyed
}

/** The digest of a file; anything else as it is. */
async function fileDigest(given: Json): Promise<Json> {
  return typeof given === 'string' && existsSync(given) ? digestFile(given) : given
}

function withoutNames(input: Readonly<Record<string, Json>>, names: readonly string[]): Record<string, Json> {
  return Object.fromEntries(Object.entries(input).filter(([name]) => !names.includes(name)))
}

function isObject(value: Json): value is Readonly<Record<string, Json>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
