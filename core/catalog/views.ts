/**
 * Views: conditions with a name, kept beside the dataset. A pointer log each (`datasets/<name>/views/<view>`), so that it is
 * known who wrote what when; one that was removed has a null at its end.
 */
import { PlatformError } from '#core/errors'
import { checkName, movePointer, namesUnder, readPointer, type ObjectStore } from '#core/storage'
import { checkCondition } from './condition.ts'

export interface View {
  readonly name: string
  readonly where: string
  readonly note: string
  /** ISO 8601, and who: of the last change. */
  readonly at: string
  readonly by: string
}

type Stored = Pick<View, 'where' | 'note'> | null

/** Ascending by name. */
export async function listViews(store: ObjectStore, dataset: string): Promise<readonly View[]> {
  const views: View[] = []
  if (!NAME.test(dataset)) return views
  for (const name of await namesUnder(store, `datasets/${dataset}/views`)) {
    const view = await findView(store, dataset, name)
    if (view) views.push(view)
  }
  return views
}

/** @throws {PlatformError} `VIEW_NOT_FOUND`. */
export async function readView(store: ObjectStore, dataset: string, name: string): Promise<View> {
  const view = await findView(store, dataset, name)
  if (view) return view
  throw new PlatformError('VIEW_NOT_FOUND', `dataset ${dataset} has no view ${name}`, { dataset, name })
}

/** @throws {PlatformError} `INVALID_NAME`; `INVALID_INPUT` for a condition that does not hold up. */
export async function saveView(
  store: ObjectStore,
  dataset: string,
  { name, where, note }: Pick<View, 'name' | 'where' | 'note'>,
  by: string,
): Promise<void> {
  checkName('dataset', dataset)
  checkName('view', name)
  await checkCondition(where)
  await movePointer(store, pointer(dataset, name), { where, note } satisfies Stored, { by })
}

/** @throws {PlatformError} `VIEW_NOT_FOUND`. */
export async function removeView(store: ObjectStore, dataset: string, name: string, by: string): Promise<void> {
  await readView(store, dataset, name)
  await movePointer(store, pointer(dataset, name), null satisfies Stored, { by })
}

async function findView(store: ObjectStore, dataset: string, name: string): Promise<View | null> {
  if (!NAME.test(dataset) || !NAME.test(name)) return null
  const entry = await readPointer<Stored>(store, pointer(dataset, name))
  return entry?.value ? { name, ...entry.value, at: entry.at, by: entry.by } : null
}

const NAME = /^[a-z0-9-]+$/

function pointer(dataset: string, name: string): string {
  return `datasets/${dataset}/views/${name}`
}
