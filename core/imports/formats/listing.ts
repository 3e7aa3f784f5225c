/** Names of files in a local folder, for formats whose files are opened one by one. */
import { openSource } from '../source.ts'

/** Files of a set that are opened one after the other: shards, tables of images. */
const MAX_FILES = 100_000

/** @returns paths from the folder, ascending; links that lead outside are none of them. */
export async function listFiles(folder: string, isOne: (name: string) => boolean): Promise<readonly string[]> {
  const names: string[] = []
  for await (const { path } of (await openSource(folder, (name) => (isOne(name) ? 1 : 0))).files)
    if (names.length < MAX_FILES) names.push(path)
  return names.sort()
}
