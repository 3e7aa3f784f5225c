/** The images of the demo, and the oracle: which class each image truly is, keyed by digest, kept apart from the images. */
import { createHash } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import pLimit from 'p-limit'
import { PlatformError } from '#core/errors'

export interface DemoImages {
  readonly directory: string
  /** Names of the sub-folders, ascending. */
  readonly classes: readonly string[]
  /** JSON file {digest: class}. */
  readonly oracleFile: string
  readonly oracle: Readonly<Record<string, string>>
  /** One of the files, for people to try the endpoint with. */
  readonly example: string
}

const READS_IN_FLIGHT = 16

/**
 * Reads the true classes off the sub-folders of a directory and writes the oracle file.
 *
 * @throws {PlatformError} `DATASET_SOURCE_NOT_FOUND`, `DATASET_EMPTY`, `DATASET_ONE_CLASS`.
 */
export async function readOracle(directory: string, oracleFile: string): Promise<DemoImages> {
  const files = classFiles(directory)
  const classes = [...new Set(files.map(({ className }) => className))].sort()
  const example = files.at(0)?.file
  if (example === undefined) {
    const message = `${directory} has no sub-folder with files in it; the demo wants one sub-folder per class`
    throw new PlatformError('DATASET_EMPTY', message, { directory })
  }
  if (classes.length < 2) {
    const message = `${directory} has one class, "${classes[0]}"; at least two sub-folders with images are needed`
    throw new PlatformError('DATASET_ONE_CLASS', message, { directory, classes })
  }
  const limit = pLimit(READS_IN_FLIGHT)
  const digests = await Promise.all(files.map(({ file }) => limit(async () => sha256(await readFile(file)))))
  const oracle = Object.fromEntries(files.map(({ className }, i) => [digests[i] ?? '', className]))
  await writeFile(oracleFile, JSON.stringify(oracle))
  return { directory, classes, oracleFile, oracle, example }
}

/** Files by sub-folder, at any depth below it; in order of path. Hidden files and folders are passed over. */
function classFiles(directory: string): { className: string; file: string }[] {
  const folders = entriesOf(directory).filter((entry) => entry.isDirectory())
  return folders.flatMap(({ name }) =>
    filesBelow(path.join(directory, name)).map((file) => ({ className: name, file })),
  )
}

function filesBelow(folder: string): string[] {
  return entriesOf(folder).flatMap((entry) => {
    const full = path.join(folder, entry.name)
    return entry.isDirectory() ? filesBelow(full) : [full]
  })
}

function entriesOf(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter(({ name }) => !name.startsWith('.'))
      .sort((a, b) => (a.name < b.name ? -1 : 1))
  } catch (cause) {
    const message = `there is no folder ${folder} that can be read; check the path`
    throw new PlatformError('DATASET_SOURCE_NOT_FOUND', message, { folder }, { cause })
  }
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** A name of ours out of a folder's: lower-case letters, digits and hyphens. */
export function nameOf(directory: string): string {
  const name = path
    .basename(path.resolve(directory))
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, 40)
    .replace(/^-+|-+$/g, '')
  return name || 'images'
}
