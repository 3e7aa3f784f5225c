/**
 * Decodes image files of any size and kind to upright sRGB pixels on white, and says in a person's words why one
 * cannot be decoded. Colours with a profile and CMYK become sRGB; 16 bits become 8 by their high byte; of an animation
 * or a multi-page file the first frame counts.
 */
import { PlatformError } from '#core/errors'
import { describeForeign, sniffFormat, type ImageFormat } from './format.ts'
import { imageOrigin, type ImageOrigin } from './exif.ts'
import { claimedPixels, endsTooEarly } from './header.ts'
import { MEASURED_SIDE, measuresOf, type ImageMeasures } from './measures.ts'
import { decodePlainJpeg } from './plain-jpeg.ts'
import { decodePlainPng, type PlainImage } from './plain-png.ts'
import { resampleGrey } from './resample.ts'
import { MAX_PIXELS, readHeader, renderPixels, renderThumbnail, type Rendering } from './sharp.ts'

/** Changes whenever the same bytes may give other pixels; part of the key of every cached pixel matrix. */
export const DECODER_VERSION = 'pixels-1'

export interface PixelSize {
  readonly height: number
  readonly width: number
}

export interface ImageHeader {
  readonly format: ImageFormat
  /** Pixels, after EXIF rotation. */
  readonly width: number
  readonly height: number
  /** Frames of an animation or pages of a file; 1 for most. */
  readonly pages: number
}

export interface ImageInspection extends Omit<ImageHeader, 'pages'>, ImageMeasures, ImageOrigin {
  /** uint8 [32, 32]: the whole image in grey, for fingerprints. */
  readonly grey32: Uint8Array
}

/**
 * Reads the header alone: a damaged rest goes unnoticed.
 *
 * @throws {PlatformError} `IMAGE_UNREADABLE`, `IMAGE_TOO_LARGE`.
 */
export async function probeImage(bytes: Uint8Array): Promise<ImageHeader> {
  const format = requireFormat(bytes)
  const header = await readHeader(bytes).catch((error: unknown) => refuse(bytes, format, error))
  if (pixelsIn(header) > MAX_PIXELS) throw tooLarge(header)
  return header
}

/**
 * The one decoder of training, evaluation and serving.
 *
 * @param size - the pixels to give; an image of another shape is stretched to it, one of this very size is not resampled.
 * @returns uint8 [height, width, 3], row-major.
 * @throws {PlatformError} `IMAGE_UNREADABLE`, `IMAGE_TOO_LARGE`.
 */
export async function decodePixels(bytes: Uint8Array, size: PixelSize): Promise<Uint8Array> {
  const plain = decodePlain(bytes)?.image
  if (plain && plain.height === size.height && plain.width === size.width) return toRgb(plain)
  return (await render(bytes, requireFormat(bytes), size)).pixels
}

/**
 * Decodes the whole image once: an image that this accepts can be decoded at any size.
 *
 * @throws {PlatformError} `IMAGE_UNREADABLE`, `IMAGE_TOO_LARGE`.
 */
export async function inspectImage(bytes: Uint8Array): Promise<ImageInspection> {
  const plain = decodePlain(bytes)
  if (plain) return inspected(bytes, plain.format, plain.image, plain.image)
  const format = requireFormat(bytes)
  if ((claimedPixels(bytes, format) ?? Infinity) <= SMALL_PIXELS) {
    const rendering = await render(bytes, format)
    return inspected(bytes, format, rendering, { ...rendering, channels: 3 })
  }
  const header = await probeImage(bytes)
  const rendering = await render(bytes, format, measuredSize(header))
  return inspected(bytes, format, header, { ...rendering, channels: 3 })
}

/** Tiny plain files, without the general decoder. Null: it is to speak. */
function decodePlain(bytes: Uint8Array): { readonly format: ImageFormat; readonly image: PlainImage } | null {
  const isJpeg = bytes[0] === 0xff
  const image = isJpeg ? decodePlainJpeg(bytes) : decodePlainPng(bytes)
  return image && { format: isJpeg ? 'jpeg' : 'png', image }
}

const GREY_SIDE = 32
/** Images up to this size are decoded at their own, which spares a look at the header. */
const SMALL_PIXELS = 128 * 128

function inspected(
  bytes: Uint8Array,
  format: ImageFormat,
  { height, width }: PixelSize,
  seen: PlainImage,
): ImageInspection {
  const grey = toGrey(seen)
  return {
    format,
    width,
    height,
    grey32: resampleGrey(grey, seen, GREY_SIDE),
    ...measuresOf(grey, seen.channels === 3 ? seen.pixels : null, seen),
    ...imageOrigin(bytes, format),
  }
}

/** The image's own size where that is small, else the largest of its shape that is measured. */
function measuredSize({ height, width }: PixelSize): PixelSize {
  const scale = Math.min(1, MEASURED_SIDE / Math.max(height, width))
  return { height: Math.max(1, Math.round(height * scale)), width: Math.max(1, Math.round(width * scale)) }
}

async function render(bytes: Uint8Array, format: ImageFormat, size?: PixelSize): Promise<Rendering> {
  const claimed = claimedPixels(bytes, format)
  const pixels = claimed !== null && claimed <= MAX_PIXELS ? claimed : pixelsIn(await probeImage(bytes))
  return withPixels(pixels, () => renderPixels(bytes, size).catch((error: unknown) => refuse(bytes, format, error)))
}

function pixelsIn({ height, width }: PixelSize): number {
  return height * width
}

/**
 * @param size - the longer side in pixels, at most; small images keep their size.
 * @returns a WebP file.
 * @throws {PlatformError} `IMAGE_UNREADABLE`, `IMAGE_TOO_LARGE`.
 */
export async function thumbnail(bytes: Uint8Array, size: number): Promise<Uint8Array> {
  const header = await probeImage(bytes)
  return withPixels(pixelsIn(header), () =>
    renderThumbnail(bytes, size).catch((error: unknown) => refuse(bytes, header.format, error)),
  )
}

function toRgb({ channels, pixels }: PlainImage): Uint8Array {
  if (channels === 3) return pixels
  const rgb = new Uint8Array(pixels.length * 3)
  for (let i = 0, to = 0; i < pixels.length; i++) {
    const grey = pixels[i]!
    rgb[to++] = grey
    rgb[to++] = grey
    rgb[to++] = grey
  }
  return rgb
}

/** Luma of ITU-R BT.601 in integers, equal on every processor. */
function toGrey({ channels, pixels }: PlainImage): Uint8Array {
  if (channels === 1) return pixels
  const grey = new Uint8Array(pixels.length / 3)
  for (let i = 0, from = 0; i < grey.length; i++, from += 3)
    grey[i] = (77 * pixels[from]! + 150 * pixels[from + 1]! + 29 * pixels[from + 2]! + 128) >> 8
  return grey
}

let pixelsInFlight = 0
const waiting: (() => void)[] = []

/**
 * Decodes at most `MAX_PIXELS` at once in this process, whatever the callers keep in flight: a few huge images one
 * after the other rather than all of them out of memory.
 */
async function withPixels<T>(pixels: number, decode: () => Promise<T>): Promise<T> {
  while (pixelsInFlight > 0 && pixelsInFlight + pixels > MAX_PIXELS)
    await new Promise<void>((resolve) => waiting.push(resolve))
  pixelsInFlight += pixels
  try {
    return await decode()
  } finally {
    pixelsInFlight -= pixels
    for (const wake of waiting.splice(0)) wake()
  }
}

function requireFormat(bytes: Uint8Array): ImageFormat {
  if (bytes.length === 0) throw unreadable('the file is empty')
  const format = sniffFormat(bytes)
  if (format) return format
  throw unreadable(`${describeForeign(bytes)}; Gyre reads JPEG, PNG, WebP, TIFF and GIF`)
}

/** Turns the decoder's error into ours. */
function refuse(bytes: Uint8Array, format: ImageFormat, cause: unknown): never {
  const name = format === 'webp' ? 'WebP' : format.toUpperCase()
  throw unreadable(
    endsTooEarly(bytes, format)
      ? `truncated: the ${name} data ends before the image does`
      : `damaged: the ${name} data cannot be decoded`,
    cause,
  )
}

function unreadable(reason: string, cause?: unknown): PlatformError {
  return new PlatformError('IMAGE_UNREADABLE', reason, {}, { cause })
}

function tooLarge({ width, height }: PixelSize): PlatformError {
  const megapixels = Math.ceil((width * height) / 1e6)
  return new PlatformError(
    'IMAGE_TOO_LARGE',
    `claims ${width} × ${height} pixels (${megapixels} megapixels); at most ${MAX_PIXELS / 1e6} megapixels are read`,
    { width, height, megapixels },
  )
}
