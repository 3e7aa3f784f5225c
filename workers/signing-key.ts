/** The private key that certificates are signed with: as set, else that of the state folder, made when first needed. */

import { readFile, writeFile } from 'node:fs/promises'
import { createSigningKey, openSigningKey } from '#core/identity'
import type { WorkerConfig } from './config.ts'

/**
 * @returns PEM; undefined where there is none: on a cluster, whose Pods keep no files, without `GYRE_SIGNING_KEY`.
 * @throws {PlatformError} `SIGNING_KEY_UNUSABLE`.
 */
export async function readSigningKey({ value, file }: WorkerConfig['signingKey']): Promise<string | undefined> {
  const pem = value ?? (file && (await keptIn(file)))
  if (!pem) return undefined
  openSigningKey(pem)
  return pem
}

async function keptIn(file: string): Promise<string> {
  // Exclusive: of two workers at once, both read the one that was written.
  await writeFile(file, createSigningKey(), { mode: 0o600, flag: 'wx' }).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  })
  return readFile(file, 'utf8')
}
