/** What a person set for themselves, the same in every browser: a pointer log under `identity/settings/<name>`. */

import { checkName, movePointer, readPointer, type ObjectStore } from '#core/storage'

export interface Settings {
  /** Keys of the labelling page that the person chose, by command: `{ misfit: 'v' }`. */
  readonly keys: Readonly<Record<string, string>>
  /** Keys that the person chose for classes, by class. */
  readonly classKeys: Readonly<Record<string, string>>
}

const NOTHING_SET: Settings = { keys: {}, classKeys: {} }

/** @throws {PlatformError} `INVALID_NAME`. */
export async function readSettings(store: ObjectStore, name: string): Promise<Settings> {
  return (await readPointer<Settings>(store, logOf(name)))?.value ?? NOTHING_SET
}

/**
 * Sets all of them; of two at once the later one holds.
 *
 * @throws {PlatformError} `INVALID_NAME`.
 */
export async function saveSettings(store: ObjectStore, name: string, settings: Settings): Promise<void> {
  await movePointer(store, logOf(name), settings, { by: name })
}

function logOf(name: string): string {
  checkName('user', name)
  return `identity/settings/${name}`
}
