/**
 * Small images made by script: scenes that differ clearly from one another, in every format that Gyre reads, and the
 * broken and odd files that real folders hold. The same seed always gives the same bytes.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { crc32, deflateSync } from 'node:zlib'
import sharp, { type Sharp } from 'sharp'

export interface SceneOptions {
  readonly width?: number
  readonly height?: number
}

/**
 * A picture of its own for each seed: a dozen soft blobs of random colour and place.
 *
 * @returns uint8 [height, width, 3].
 */
export function scene(seed: number, { width = 24, height = 24 }: SceneOptions = {}): Uint8Array {
  const draw = randomNumbers(seed)
  const blobs = Array.from({ length: 12 }, () => ({
    x: draw(),
    y: draw(),
    reach: 0.05 + 0.15 * draw(),
    colour: [draw(), draw(), draw()].map((share) => 400 * share - 200),
  }))
  const pixels = new Uint8Array(width * height * 3)
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      for (let channel = 0; channel < 3; channel++) {
        let value = 128
        for (const blob of blobs) {
          const far = ((x + 0.5) / width - blob.x) ** 2 + ((y + 0.5) / height - blob.y) ** 2
          value += blob.colour[channel]! * Math.exp(-far / blob.reach ** 2)
        }
        pixels[(y * width + x) * 3 + channel] = Math.max(0, Math.min(255, Math.round(value)))
      }
  return pixels
}

/** Numbers in [0, 1): mulberry32. */
export function randomNumbers(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

function raw(seed: number, { width = 24, height = 24 }: SceneOptions): Sharp {
  return sharp(scene(seed, { width, height }), { raw: { width, height, channels: 3 } })
}

export async function pngImage(seed: number, size: SceneOptions = {}): Promise<Uint8Array> {
  return raw(seed, size).png().toBuffer()
}

export async function jpegImage(
  seed: number,
  { quality = 92, ...size }: SceneOptions & { readonly quality?: number } = {},
): Promise<Uint8Array> {
  return raw(seed, size).jpeg({ quality }).toBuffer()
}

export async function encodedAs(
  format: 'jpeg' | 'png' | 'webp' | 'tiff' | 'gif',
  seed: number,
  size: SceneOptions = {},
): Promise<Uint8Array> {
  const image = raw(seed, size)
  return (format === 'tiff' ? image.tiff({ compression: 'lzw' }) : image.toFormat(format)).toBuffer()
}

/** A JPEG that says "turn me by a quarter": its pixels lie down, people see it upright. */
export async function exifRotatedJpeg(seed: number, size: SceneOptions = {}): Promise<Uint8Array> {
  return raw(seed, size).withMetadata({ orientation: 6 }).jpeg().toBuffer()
}

export async function cmykJpeg(seed: number, size: SceneOptions = {}): Promise<Uint8Array> {
  return raw(seed, size).toColourspace('cmyk').jpeg().toBuffer()
}

/** @returns a grey PNG of 16 bits per pixel: `values` row by row. */
export async function grey16Png(values: Uint16Array, width: number): Promise<Uint8Array> {
  return sharp(values, { raw: { width, height: values.length / width, channels: 1 } })
    .toColourspace('grey16')
    .png()
    .toBuffer()
}

/** Two frames: the scenes of the seed and of the seed after it. */
export async function animatedGif(seed: number, { width = 24, height = 24 }: SceneOptions = {}): Promise<Uint8Array> {
  const frames = Buffer.concat([scene(seed, { width, height }), scene(seed + 1, { width, height })])
  return sharp(frames, { raw: { width, height: 2 * height, channels: 3, pageHeight: height } })
    .gif({ delay: [100, 100] })
    .toBuffer()
}

/** A few hundred bytes that claim an image of any size. */
export function pngClaiming(width: number, height: number): Uint8Array {
  return pngOfChunks([
    ['IHDR', headerOf({ width, height, channels: 3 })],
    ['IDAT', deflateSync(new Uint8Array(100))],
    ['IEND', new Uint8Array(0)],
  ])
}

export function truncated(bytes: Uint8Array, share = 0.5): Uint8Array {
  return bytes.slice(0, Math.floor(bytes.length * share))
}

/** Chunk by chunk, for files that no encoder would write. */
export function pngOfChunks(chunks: readonly (readonly [type: string, data: Uint8Array])[]): Uint8Array {
  const parts = chunks.map(([type, data]) => {
    const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
    const frame = Buffer.alloc(8)
    frame.writeUInt32BE(data.length, 0)
    frame.writeUInt32BE(crc32(body), 4)
    return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)])
  })
  return Buffer.concat([Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'), ...parts])
}

export interface PngShape {
  readonly width: number
  readonly height: number
  readonly channels: 1 | 3
}

/** The data of an IHDR chunk: 8 bits, grey or RGB, not interlaced. */
export function headerOf({ width, height, channels }: PngShape): Uint8Array {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header.set([8, channels === 3 ? 2 : 0, 0, 0, 0], 8)
  return header
}

/** Writes files into a folder, making the folders in between. */
export async function writeFiles(folder: string, files: Readonly<Record<string, Uint8Array>>): Promise<void> {
  for (const [name, bytes] of Object.entries(files)) {
    const file = path.join(folder, name)
    await mkdir(path.dirname(file), { recursive: true })
    await writeFile(file, bytes)
  }
}
