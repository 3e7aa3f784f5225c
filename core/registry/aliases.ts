import { PlatformError } from '#core/errors'
import { movePointer, pointerHistory, readPointer, type ObjectStore } from '#core/storage'
import { readVersion } from './versions.ts'

const ALIAS = /^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$/

/** @returns the number that the alias names now, or null where it was never set. */
export async function readAlias(store: ObjectStore, name: string, alias: string): Promise<number | null> {
  return (await readPointer<number>(store, aliasPrefix(name, alias)))?.value ?? null
}

/**
 * Makes an alias (`champion`, `candidate`, …) name a version. Its former values stay in its log.
 *
 * @throws {PlatformError} `INVALID_NAME`; `MODEL_NOT_FOUND` when there is no such version.
 */
export async function setAlias(
  store: ObjectStore,
  name: string,
  alias: string,
  version: number,
  by: string,
): Promise<void> {
  if (!ALIAS.test(alias) || alias === 'latest')
    throw new PlatformError(
      'INVALID_NAME',
      `'${alias}' is no alias; use lower-case letters, digits and hyphens, not 'latest'`,
    )
  if (!(await readVersion(store, name, version)))
    throw new PlatformError('MODEL_NOT_FOUND', `model ${name} has no version ${version}`, { name, version })
  if ((await readAlias(store, name, alias)) !== version)
    await movePointer(store, aliasPrefix(name, alias), version, { by })
}

/** As `setAlias`, at most once for one mover: a retry does not undo what people decided since. */
export async function setAliasOnce(
  store: ObjectStore,
  name: string,
  alias: string,
  version: number,
  by: string,
): Promise<void> {
  const history = await pointerHistory<number>(store, aliasPrefix(name, alias))
  if (!history.some((entry) => entry.by === by)) await setAlias(store, name, alias, version, by)
}

export function aliasPrefix(name: string, alias: string): string {
  return `models/${name}/aliases/${alias}`
}
