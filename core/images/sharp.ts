/**
 * The adapter to libvips, the only file that imports sharp. It decodes JPEG, PNG, WebP, TIFF and GIF and nothing else:
 * every other loader (SVG, PDF, ImageMagick …) is blocked for the whole process.
 *
 * One libvips thread per image and no operation cache: callers keep several images in flight instead, and libuv's
 * thread pool runs them in parallel. Loaded on first use, so that a process that decodes nothing pays nothing.
 */
import type sharpModule from 'sharp'
import type { Sharp, SharpOptions } from 'sharp'
import type { ImageFormat } from './format.ts'

type SharpModule = typeof sharpModule

export const MAX_PIXELS = 100_000_000

let loading: Promise<SharpModule> | undefined

function load(): Promise<SharpModule> {
  loading ??= import('sharp').then(({ default: sharp }) => {
    sharp.concurrency(1)
    sharp.cache(false)
    sharp.block({ operation: ['VipsForeignLoad'] })
    const loaders = ['Jpeg', 'Png', 'Webp', 'Tiff', 'Nsgif'].map((name) => `VipsForeignLoad${name}`)
    sharp.unblock({ operation: loaders })
    return sharp
  })
  return loading
}

export interface RawHeader {
  /** As libvips names it; one of `ImageFormat` since every other loader is blocked. */
  readonly format: ImageFormat
  /** Upright: after EXIF rotation. */
  readonly width: number
  readonly height: number
  readonly pages: number
}

/** Reads the header alone. Throws sharp's own errors. */
export async function readHeader(bytes: Uint8Array): Promise<RawHeader> {
  const sharp = await load()
  const meta = await sharp(bytes, { limitInputPixels: false }).metadata()
  return {
    format: meta.format as ImageFormat,
    width: meta.autoOrient.width,
    height: meta.autoOrient.height,
    pages: meta.pages ?? 1,
  }
}

export interface Rendering {
  /** uint8 [height, width, 3], sRGB, upright, on white. */
  readonly pixels: Uint8Array
  readonly height: number
  readonly width: number
}

/** @param size - the image's own where it is left out. Throws sharp's own errors. */
export async function renderPixels(
  bytes: Uint8Array,
  size?: { readonly height: number; readonly width: number },
): Promise<Rendering> {
  const image = upright(await load(), bytes)
  const { data, info } = await (size ? image.resize({ ...size, fit: 'fill', kernel: 'linear' }) : image)
    .toColourspace('srgb')
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true })
  const pixels = new Uint8Array(data.buffer, data.byteOffset, data.length)
  return { pixels: info.channels === 1 ? tripled(pixels) : pixels, height: info.height, width: info.width }
}

/** @returns a WebP file whose longer side is at most `size` pixels; never enlarged. */
export async function renderThumbnail(bytes: Uint8Array, size: number): Promise<Uint8Array> {
  return upright(await load(), bytes)
    .resize({ width: size, height: size, fit: 'inside', kernel: 'linear', withoutEnlargement: true })
    .toColourspace('srgb')
    .webp({ quality: 82, effort: 2 })
    .toBuffer()
}

/**
 * Makes an image file of pixels: generated sets, worst-example pictures of reports.
 *
 * @param pixels - uint8 [height, width, channels].
 */
export async function encodePixels(
  pixels: Uint8Array,
  {
    height,
    width,
    channels = 3,
    format = 'png',
    quality = 90,
  }: {
    readonly height: number
    readonly width: number
    readonly channels?: 1 | 3 | 4
    readonly format?: 'png' | 'jpeg' | 'webp'
    readonly quality?: number
  },
): Promise<Uint8Array> {
  const sharp = await load()
  const image = sharp(pixels, { raw: { width, height, channels } })
  return format === 'png' ? image.png().toBuffer() : image.toFormat(format, { quality }).toBuffer()
}

function upright(sharp: SharpModule, bytes: Uint8Array): Sharp {
  const options: SharpOptions = { autoOrient: true, failOn: 'error', limitInputPixels: MAX_PIXELS }
  return sharp(bytes, options).flatten({ background: '#ffffff' })
}

function tripled(grey: Uint8Array): Uint8Array {
  const rgb = new Uint8Array(grey.length * 3)
  for (let i = 0; i < grey.length; i++) rgb.fill(grey[i]!, i * 3, i * 3 + 3)
  return rgb
}
