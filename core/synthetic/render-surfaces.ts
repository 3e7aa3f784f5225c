/** Writes a folder of surface pictures, one sub-folder per class: the image set of `gyre demo`. */

import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { PlatformError } from '#core/errors'
import { encodePixels } from '#core/images'
import { chooseShot, shootAgain, takePicture, type Shot } from './camera.ts'
import { DEFECTS, SURFACE_CLASSES, type SurfaceClass } from './defects.ts'
import { MATERIALS } from './materials.ts'
import { mixSeeds, Random } from './random.ts'
import { blankSurface } from './surface.ts'

/** One picture in this many is the picture before it, shot again: near duplicates as a real camera makes them. */
const SHOT_AGAIN_EVERY = 80
const LANES = 4
/** Raised whenever the pictures change, so that an older folder is not taken for a new one. */
const RENDERER = 1

export interface RenderOptions {
  /** Created, or left as it is when it holds these very pictures. */
  readonly directory: string
  readonly images?: number
  readonly seed?: number
  /** Pixels along one side. */
  readonly size?: number
}

export interface RenderedSurfaces {
  readonly images: number
  /** Names of the sub-folders, ascending. */
  readonly classes: readonly string[]
  readonly directory: string
}

/** @returns RGB bytes [size, size, 3] of picture `index` of a class. The same arguments always give the same bytes. */
export function renderSurface(
  of: SurfaceClass,
  index: number,
  { seed, size }: { seed: number; size: number },
): Uint8Array {
  const again = index % SHOT_AGAIN_EVERY === SHOT_AGAIN_EVERY - 1
  const piece = new Random(mixSeeds(seed, SURFACE_CLASSES.indexOf(of), again ? index - 1 : index))
  const surface = blankSurface(size)
  piece.pick(MATERIALS)(surface, piece)
  DEFECTS[of](surface, piece)
  const shot: Shot = chooseShot(piece)
  if (!again) return takePicture(surface, shot, piece)
  const moment = new Random(mixSeeds(seed, SURFACE_CLASSES.indexOf(of), index))
  return takePicture(surface, shootAgain(shot, moment), moment)
}

/**
 * Renders the set: `<directory>/<class>/<class>-0000.jpg` (every fifth one a PNG), classes equally often. About 5 ms a
 * picture. The folder appears complete or not at all; `<directory>.json` beside it says what it was made from.
 * @throws {PlatformError} `INVALID_INPUT` when the directory holds something else.
 */
export async function renderSurfaces(
  { directory, images = 2_400, seed = 7, size = 64 }: RenderOptions,
  onProgress: (progress: { done: number; total: number }) => void = () => {},
  signal?: AbortSignal,
): Promise<RenderedSurfaces> {
  const recipe = JSON.stringify({ renderer: RENDERER, images, seed, size })
  const result = { images, classes: SURFACE_CLASSES, directory }
  if (await holds(directory, recipe)) return result

  const partial = `${directory}.partial`
  await rm(partial, { recursive: true, force: true })
  for (const name of SURFACE_CLASSES) await mkdir(path.join(partial, name), { recursive: true })
  let done = 0
  // While one lane waits for its encoder or the disk, another one renders.
  const lanes = Array.from({ length: LANES }, async (_, lane) => {
    for (let i = lane; i < images; i += LANES) {
      signal?.throwIfAborted()
      await renderFile(partial, i, { seed, size })
      onProgress({ done: ++done, total: images })
    }
  })
  const failure = (await Promise.allSettled(lanes)).find((lane) => lane.status === 'rejected')
  if (failure) throw failure.reason
  await rename(partial, directory)
  await writeFile(`${directory}.json`, recipe)
  return result
}

async function renderFile(directory: string, i: number, options: { seed: number; size: number }): Promise<void> {
  const of = SURFACE_CLASSES[i % SURFACE_CLASSES.length] as SurfaceClass
  const index = Math.floor(i / SURFACE_CLASSES.length)
  const { size } = options
  const format = index % 5 === 4 ? 'png' : 'jpeg'
  const name = `${of}-${String(index).padStart(4, '0')}.${format === 'png' ? 'png' : 'jpg'}`
  const pixels = renderSurface(of, index, options)
  const file = await encodePixels(pixels, { width: size, height: size, format, quality: 88 + (index % 8) })
  await writeFile(path.join(directory, of, name), file)
}

/** Whether the pictures of this recipe are there already; makes room where an older recipe's are. */
async function holds(directory: string, recipe: string): Promise<boolean> {
  const present = await readdir(directory).catch(() => null)
  if (!present) return false
  const made = await readFile(`${directory}.json`, 'utf8').catch(() => null)
  if (made === recipe) return true
  if (made === null && present.length > 0)
    throw new PlatformError(
      'INVALID_INPUT',
      `${directory} holds ${present.length} entries that were not rendered here; give another directory or empty it`,
      { directory, entries: present.length },
    )
  await rm(directory, { recursive: true, force: true })
  return false
}
