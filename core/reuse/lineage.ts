import { isPlatformError } from '#core/errors'
import { readRun, type RunBase } from '#core/runs'
import type { ObjectStore } from '#core/storage'

/** The runs whose results matter to a run. */
export interface Lineage {
  /** Whose results it takes over where they still hold. */
  readonly base: RunBase | null
  /** With which results of earlier runs its own are compared, to say why a node ran. */
  readonly comparedWith: string | null
}

const MOST_KEPT = 500
const known = new WeakMap<ObjectStore, Map<string, Lineage>>()

/** Read once per run and process: a run's record never changes. */
export async function lineageOf(store: ObjectStore, run: string): Promise<Lineage> {
  const lineages = known.get(store) ?? new Map<string, Lineage>()
  known.set(store, lineages)
  const before = lineages.get(run)
  if (before) return before
  const lineage = await readLineage(store, run)
  if (!lineage) return { base: null, comparedWith: null }
  if (lineages.size >= MOST_KEPT) lineages.delete(lineages.keys().next().value!)
  lineages.set(run, lineage)
  return lineage
}

async function readLineage(store: ObjectStore, run: string): Promise<Lineage | null> {
  try {
    const { basedOn = null, comparedWith = null } = await readRun(store, run)
    return { base: basedOn, comparedWith: basedOn?.run ?? comparedWith }
  } catch (error) {
    if (isPlatformError(error) && error.code === 'RUN_NOT_FOUND') return null
    throw error
  }
}
