/** The private key that certificates are signed with: as set, else that of the state folder, made when first needed. */

import { randomUUID } from 'node:crypto'
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
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
  const kept = await readFile(file, 'utf8').catch(unless('ENOENT'))
  if (kept !== undefined) return kept
  await mkdir(path.dirname(file), { recursive: true, mode: 0o700 })
  const made = `${file}.${randomUUID()}`
  try {
    await writeFile(made, createSigningKey(), { mode: 0o600, flag: 'wx' })
    // Whole or not at all: of two workers at once, both read the one that came first.
    await link(made, file).catch(unless('EEXIST'))
  } finally {
    await rm(made, { force: true })
  }
  return readFile(file, 'utf8')
}

function unless(code: string): (error: unknown) => undefined {
  return (error) => {
    if ((error as NodeJS.ErrnoException).code !== code) throw error
  }
}
