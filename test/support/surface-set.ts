/** A small rendered image set with its oracle, for tests that run the whole loop. */

import { createHash } from 'node:crypto'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { renderSurfaces } from '#core/synthetic'

export interface SurfaceSet {
  readonly source: string
  readonly oracle: string
  readonly classes: readonly string[]
  readonly images: number
}

export async function surfaceSet(folder: string, images: number): Promise<SurfaceSet> {
  const source = path.join(folder, 'images')
  await renderSurfaces({ directory: source, images, seed: 7 }, () => undefined, new AbortController().signal)
  const classes = (await readdir(source)).sort()
  const answers: Record<string, string> = {}
  for (const name of classes)
    for (const file of await readdir(path.join(source, name))) {
      const bytes = await readFile(path.join(source, name, file))
      answers[createHash('sha256').update(bytes).digest('hex')] = name
    }
  const oracle = path.join(folder, 'oracle.json')
  await writeFile(oracle, JSON.stringify(answers))
  return { source, oracle, classes, images: Object.keys(answers).length }
}
