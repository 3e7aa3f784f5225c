/** Why a node runs, in one line: what of its basis changed since an earlier result. */

import { diffVersions, type VersionDiff } from '#core/datasets'
import { isPlatformError } from '#core/errors'
import { isPlanRef, type Json, type PlanNode } from '#core/plan'
import { readNode, type Basis } from '#core/runs'
import type { DatasetVersion, StepDefinition } from '#core/steps'
import type { ObjectStore } from '#core/storage'
import { changedFiles, readCode } from './code.ts'
import type { Lineage } from './lineage.ts'

/** Changes that one line tells; of more, their number. */
const MOST_TOLD = 2
const LONGEST_WORD = 40

/** @param step - undefined for a user's own. */
export async function whyNew(
  store: ObjectStore,
  { base, comparedWith }: Lineage,
  node: PlanNode,
  step: StepDefinition | undefined,
  now: Basis,
): Promise<string> {
  const earlier =
    comparedWith === null || (!base && !node.policy.cache) ? null : await readNode(store, comparedWith, node.id)
  const changes = earlier?.basis ? await changesOf(store, node, step, earlier.basis, now) : []
  if (changes.length > 0) return inOneLine(changes)
  if (!node.policy.cache) return base && earlier ? 'something before it ran' : 'runs every time'
  if (!earlier) return 'no earlier result'
  return earlier.basis ? 'its earlier result was dropped' : 'no equal result yet'
}

/** "a; b; and 3 more changes". */
export function inOneLine(changes: readonly string[]): string {
  const told = changes.slice(0, MOST_TOLD)
  const more = changes.length - told.length
  return [...told, ...(more > 0 ? [`and ${more} more ${more === 1 ? 'change' : 'changes'}`] : [])].join('; ')
}

/** What differs, one phrase each, the code first. */
export async function changesOf(
  store: ObjectStore,
  node: PlanNode,
  step: StepDefinition | undefined,
  before: Basis,
  now: Basis,
): Promise<readonly string[]> {
  const names = [...new Set([...Object.keys(now.inputs), ...Object.keys(before.inputs)])]
  const inputs = names.filter((name) => now.inputs[name] !== before.inputs[name])
  const words = inputs.map(async (name) => `input ${name}: ${await inputChange(store, node, step, name, before, now)}`)
  return [
    ...(before.step === now.step ? [] : [`step: ${before.step} → ${now.step}`]),
    ...(await codeChange(store, before, now)),
    ...(before.salt === now.salt ? [] : [`salt: ${before.salt ?? 'none'} → ${now.salt ?? 'none'}`]),
    ...(await Promise.all(words)),
  ]
}

type Code = Pick<Basis, 'step' | 'codeVersion' | 'container'>

/** Of a container step the code is what it runs. */
export async function codeChange(store: ObjectStore, before: Code, now: Code): Promise<readonly string[]> {
  if (before.step !== now.step) return []
  const [was, is] = [before.container, now.container]
  if (was && is && was.digest !== is.digest)
    return [was.image === is.image ? 'what its container runs changed' : `image: ${was.image} → ${is.image}`]
  if (before.codeVersion === now.codeVersion) return []
  const [old, current] = await Promise.all([readCode(store, before.codeVersion), readCode(store, now.codeVersion)])
  const files = old && current ? changedFiles(old, current) : []
  if (files.length === 0) return ['code of step changed']
  const more = files.length > MOST_TOLD ? ` and ${files.length - MOST_TOLD} more` : ''
  return [`code of step changed: ${files.slice(0, MOST_TOLD).join(', ')}${more}`]
}

async function inputChange(
  store: ObjectStore,
  { input }: PlanNode,
  step: StepDefinition | undefined,
  name: string,
  before: Basis,
  now: Basis,
): Promise<string> {
  if (now.inputs[name] === undefined) return 'no longer given'
  if (before.inputs[name] === undefined) return 'newly given'
  if (step?.files?.includes(name)) return 'another file'
  const [was, is] = [before.values[name], now.values[name]]
  if (isVersion(was) && isVersion(is)) return versionChange(store, was, is)
  const short = [was, is].map(shortly)
  if (short.every((word) => word !== null)) return short.join(' → ')
  const given = (input as Readonly<Record<string, unknown>>)[name]
  return isPlanRef(given) ? `${given.$ref} gave another result` : 'changed'
}

/** "+312 −4 images", or what else tells two versions apart. */
async function versionChange(store: ObjectStore, was: DatasetVersion, is: DatasetVersion): Promise<string> {
  if (was.dataset !== is.dataset) return `${was.dataset} → ${is.dataset}`
  const diff = await diffOf(store, was, is)
  if (!diff) return 'another version'
  const { added, removed } = diff
  const counts = [...(added ? [`+${added}`] : []), ...(removed ? [`−${removed}`] : [])]
  if (counts.length > 0) return `${counts.join(' ')} ${added + removed === 1 ? 'image' : 'images'}`
  return 'other labels'
}

/** Null where one of them is no longer kept. */
async function diffOf(store: ObjectStore, was: DatasetVersion, is: DatasetVersion): Promise<VersionDiff | null> {
  try {
    return await diffVersions(store, was, is)
  } catch (error) {
    if (isPlatformError(error) && (error.code === 'DATASET_NOT_FOUND' || error.code === 'OBJECT_NOT_FOUND')) return null
    throw error
  }
}

function isVersion(value: unknown): value is DatasetVersion {
  return typeof value === 'object' && value !== null && (value as { kind?: unknown }).kind === 'dataset-version'
}

/** Null where it takes more than a few words. */
export function shortly(value: Json | undefined): string | null {
  if (value === undefined) return null
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return text.length <= LONGEST_WORD && !text.includes('sha256') ? text : null
}
