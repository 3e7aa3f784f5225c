/** Images whose truth is known by how they were drawn: marks of which each image may show several, and shades in order. */

import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import sharp from 'sharp'
import { sha256Hex } from '#core/storage'
import { randomNumbers } from './images.ts'

const SIDE = 32
export const MARKS = ['disc', 'stripes', 'square'] as const
export const SHADES = ['dark', 'dim', 'bright'] as const

interface Drawn {
  readonly bytes: Uint8Array
  readonly shows: readonly string[]
}

type Pixel = readonly [red: number, green: number, blue: number]

/** Writes `count` images that show each mark with the chance given for it, and nothing, one or several of them. */
export async function writeMarked(folder: string, count: number, chances: readonly number[]) {
  const draw = randomNumbers(11)
  return writeAll(folder, count, (i) => {
    const shows = MARKS.filter((_, mark) => draw() < chances[mark]!)
    const [x, y, grey] = [8 + 16 * draw(), 8 + 16 * draw(), 90 + 60 * draw()]
    return { shows, bytes: pixels(i, (across, down) => {
      if (shows.includes('disc') && (across - x) ** 2 + (down - y) ** 2 < 30) return [230, 40, 40]
      if (shows.includes('square') && across > 22 && down > 22) return [40, 210, 60]
      if (shows.includes('stripes') && down < 12 && down % 4 < 2) return [40, 60, 230]
      return [grey, grey, grey]
    }) } // prettier-ignore
  })
}

/** Writes `count` images, each of one of three shades. */
export async function writeShades(folder: string, count: number) {
  const draw = randomNumbers(12)
  return writeAll(folder, count, (i) => {
    const shade = i % SHADES.length
    const grey = 60 + 70 * shade + 20 * draw()
    return { shows: [SHADES[shade]!], bytes: pixels(i, () => [grey, grey, grey * (0.9 + 0.1 * draw())]) }
  })
}

/** @returns what each image shows, by digest. */
async function writeAll(
  folder: string,
  count: number,
  drawn: (i: number) => Drawn,
): Promise<Record<string, readonly string[]>> {
  await mkdir(folder, { recursive: true })
  const truth: Record<string, readonly string[]> = {}
  for (let i = 0; i < count; i++) {
    const { bytes, shows } = drawn(i)
    const png = await sharp(bytes, { raw: { width: SIDE, height: SIDE, channels: 3 } })
      .png()
      .toBuffer()
    await writeFile(path.join(folder, `${String(i).padStart(4, '0')}.png`), png)
    truth[sha256Hex(png)] = shows
  }
  return truth
}

function pixels(seed: number, colourAt: (across: number, down: number) => Pixel): Uint8Array {
  const noise = randomNumbers(1_000 + seed)
  return Uint8Array.from({ length: SIDE * SIDE * 3 }, (_, at) => {
    const place = Math.floor(at / 3)
    const colour = colourAt(place % SIDE, Math.floor(place / SIDE))
    return Math.max(0, Math.min(255, colour[at % 3]! + 24 * (noise() - 0.5)))
  })
}
