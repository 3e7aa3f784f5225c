import { PlatformError } from '#core/errors'
import { namesUnder, type ObjectStore } from '#core/storage'
import { readAlias } from './aliases.ts'
import type { ModelRecord } from './record.ts'
import { highestVersion, readVersion } from './versions.ts'

export interface ModelSummary {
  readonly name: string
  /** The highest number. */
  readonly versions: number
  readonly aliases: Readonly<Record<string, number>>
}

/** All models with their aliases, ascending by name. */
export async function listModels(store: ObjectStore): Promise<readonly ModelSummary[]> {
  const summaries: ModelSummary[] = []
  for (const name of await namesUnder(store, 'models')) {
    const versions = await highestVersion(store, name)
    if (versions > 0) summaries.push({ name, versions, aliases: await modelAliases(store, name) })
  }
  return summaries
}

export async function modelAliases(store: ObjectStore, name: string): Promise<Record<string, number>> {
  const aliases: Record<string, number> = {}
  for (const alias of await namesUnder(store, `models/${name}/aliases`)) {
    const version = await readAlias(store, name, alias)
    if (version !== null) aliases[alias] = version
  }
  return aliases
}

/**
 * All versions, newest first.
 *
 * @throws {PlatformError} `MODEL_NOT_FOUND`.
 */
export async function modelVersions(store: ObjectStore, name: string): Promise<readonly ModelRecord[]> {
  const records: ModelRecord[] = []
  for (let version = await highestVersion(store, name); version >= 1; version--) {
    const record = await readVersion(store, name, version)
    if (record) records.push(record)
  }
  if (records.length === 0) throw notFound(name, `there is no model ${name}`)
  return records
}

/**
 * @param reference - `name` (the champion where there is one, else the newest), `name@3`, `name@champion`, `name@latest`.
 * @throws {PlatformError} `MODEL_NOT_FOUND`.
 */
export async function resolveModel(store: ObjectStore, reference: string): Promise<ModelRecord> {
  const [name = '', which, ...rest] = reference.split('@')
  if (name === '' || rest.length > 0)
    throw notFound(reference, `'${reference}' is no model; write name, name@3 or name@champion`)
  const version = await resolveVersion(store, name, which)
  const record = version === null ? null : await readVersion(store, name, version)
  if (!record) throw notFound(reference, `there is no model ${reference}`)
  return record
}

async function resolveVersion(store: ObjectStore, name: string, which: string | undefined): Promise<number | null> {
  if (which === undefined) return (await readAlias(store, name, 'champion')) ?? (await highestVersion(store, name))
  if (which === 'latest') return highestVersion(store, name)
  return /^[1-9]\d{0,8}$/.test(which) ? Number(which) : readAlias(store, name, which)
}

function notFound(reference: string, message: string): PlatformError {
  return new PlatformError('MODEL_NOT_FOUND', `${message}; list them with \`gyre model list\``, { reference })
}
