/** A small version whose packs hold many blocks, for the tests of streams. */
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { DatasetVersion } from '#core/steps'
import type { ObjectStore } from '#core/storage'
import { pngImage } from '../../support/images.ts'
import { runImport, stepContext } from '../imports/support.ts'

/** Blocks of about four images. */
export const SMALL = { blockBytes: 8192, windowBlocks: 4 }

/** 60 images of three classes and 6 without one. */
export async function importedScenes(store: ObjectStore, folder: string): Promise<DatasetVersion> {
  for (let seed = 0; seed < 66; seed++) {
    const kind = seed < 60 ? path.join(folder, 'scenes', `kind-${seed % 3}`) : path.join(folder, 'scenes')
    await mkdir(kind, { recursive: true })
    await writeFile(path.join(kind, `${seed}.png`), await pngImage(seed))
  }
  return runImport(stepContext({ store }), { source: path.join(folder, 'scenes'), labels: 'folders' })
}
