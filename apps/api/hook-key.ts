import { randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import type { ApiConfig } from './config.ts'

/** The key that secrets of webhooks are derived from: as set, else that of the state folder, which is made when first needed. */
export async function readHookKey({ value, file }: ApiConfig['hookKey']): Promise<string | null> {
  if (value !== null || file === null) return value
  // Exclusive: of two processes at once, both read the one that was written.
  await writeFile(file, randomBytes(32).toString('base64url'), { mode: 0o600, flag: 'wx' }).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  })
  return readFile(file, 'utf8')
}
