/** The sets of images that the area `dataset` measures on: those given, else drawn ones. */
import { execFile } from 'node:child_process'
import { copyFile, link, mkdir, readdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import sharp from 'sharp'
import { forEachInFlight } from '#core/datasets'
import { scene } from '../../test/support/images.ts'

const DRAWN = 10_000
const DRAWN_CLASSES = 10

export interface ImageFolder {
  /** `cifar10`: the archive's or folder's name up to the first hyphen. */
  readonly name: string
  /** One folder for each class. */
  readonly folder: string
  readonly images: number
}

/**
 * @param given - a folder of class folders, or of archives that hold one each (`cifar10-train.tar.zst`); drawn where left out.
 * @param limit - images of a set at most, the same number of each class.
 * @returns the sets, laid out below `work` by hard links where the disk allows.
 */
export async function imageSets(
  given: string | undefined,
  { work, limit, say }: { readonly work: string; readonly limit: readonly number[]; say(line: string): void },
): Promise<readonly ImageFolder[]> {
  const sources = given === undefined ? [{ name: 'drawn', folder: await drawn(work, say) }] : await found(given, work)
  const sets: ImageFolder[] = []
  for (const [i, { name, folder }] of sources.entries()) {
    const to = path.join(work, 'sets', name)
    sets.push({ name, folder: to, images: await layOut(folder, to, limit[i] ?? limit.at(-1)!) })
  }
  return sets
}

async function found(given: string, work: string): Promise<{ name: string; folder: string }[]> {
  const archives = (await readdir(given)).filter((name) => name.includes('.tar')).sort()
  if (archives.length === 0) return [{ name: nameOf(given), folder: given }]
  const sets: { name: string; folder: string }[] = []
  for (const archive of archives) {
    const folder = path.join(work, 'unpacked', nameOf(archive))
    await mkdir(folder, { recursive: true })
    await promisify(execFile)('tar', ['-xf', path.resolve(given, archive), '-C', folder])
    sets.push({ name: nameOf(archive), folder: await classRoot(folder) })
  }
  return sets
}

function nameOf(file: string): string {
  return path.basename(file).toLowerCase().split(/[-.]/)[0]!
}

/** The first folder, from the top, that branches. */
async function classRoot(folder: string): Promise<string> {
  const entries = await readdir(folder)
  return entries.length === 1 ? classRoot(path.join(folder, entries[0]!)) : folder
}

async function layOut(from: string, to: string, limit: number): Promise<number> {
  const classes = (await readdir(from, { withFileTypes: true })).filter((entry) => entry.isDirectory())
  const each = Math.floor(limit / classes.length)
  let images = 0
  for (const { name } of classes) {
    await mkdir(path.join(to, name), { recursive: true })
    const files = (await readdir(path.join(from, name))).sort().slice(0, each)
    await forEachInFlight(files, { pieces: 16 }, async (file) => {
      const [source, target] = [path.join(from, name, file), path.join(to, name, file)]
      await link(source, target).catch(() => copyFile(source, target))
    })
    images += files.length
  }
  return images
}

/** JPEG files of 32 × 32 pixels, each a picture of its own. */
async function drawn(work: string, say: (line: string) => void): Promise<string> {
  say(`drawing ${DRAWN} images; --images FOLDER takes others`)
  const folder = path.join(work, 'drawn')
  const size = { width: 32, height: 32 }
  const seeds = Array.from({ length: DRAWN }, (_, seed) => seed)
  for (let number = 0; number < DRAWN_CLASSES; number++)
    await mkdir(path.join(folder, `class-${number}`), { recursive: true })
  await forEachInFlight(seeds, { pieces: 8 }, async (seed) => {
    const jpeg = await sharp(scene(seed, size), { raw: { ...size, channels: 3 } })
      .jpeg({ quality: 95 })
      .toBuffer()
    await writeFile(path.join(folder, `class-${seed % DRAWN_CLASSES}`, `${seed}.jpg`), jpeg)
  })
  return folder
}
