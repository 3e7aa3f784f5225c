/** A folder for temporary files: the step's own, or one that is removed when the work ends. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

export async function withScratch<T>(work: (directory: string) => Promise<T>, given?: string): Promise<T> {
  const directory = await mkdtemp(path.join(given ?? tmpdir(), 'gyre-dataset-'))
  try {
    return await work(directory)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}
