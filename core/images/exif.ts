/**
 * Camera and time of an image by its EXIF data (JEITA CP-3451, TIFF 6.0): five tags of two directories.
 *
 * Written here because what it reads comes from strangers: nothing is followed twice, no value longer than a name is
 * read, and damage means "not known". General readers unfold every tag and can be made to fill the memory by 64 KiB.
 */
import type { ImageFormat } from './format.ts'

export interface ImageOrigin {
  /** Make and model, as one name. */
  readonly camera: string | null
  /** ISO 8601, with an offset only where the camera gave one: `2026-11-05T10:00:00+01:00`. */
  readonly takenAt: string | null
}

const UNKNOWN: ImageOrigin = { camera: null, takenAt: null }
const MAKE = 0x010f
const MODEL = 0x0110
const CHANGED = 0x0132
const PHOTO_DIRECTORY = 0x8769
const TAKEN = 0x9003
const TAKEN_OFFSET = 0x9011
/** Directories of cameras have some dozens; what claims more is read this far. */
const MAX_ENTRIES = 512
const MAX_TEXT = 64

export function imageOrigin(bytes: Uint8Array, format: ImageFormat): ImageOrigin {
  try {
    const block = exifBlock(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), format)
    return block ? originIn(block) : UNKNOWN
  } catch (error) {
    if (error instanceof RangeError) return UNKNOWN // It ends inside its directory.
    throw error
  }
}

function originIn(tiff: Buffer): ImageOrigin {
  const little = tiff.toString('latin1', 0, 2) === 'II'
  if (!little && tiff.toString('latin1', 0, 2) !== 'MM') return UNKNOWN
  const image = directoryAt(tiff, little, little ? tiff.readUInt32LE(4) : tiff.readUInt32BE(4))
  const at = image.get(PHOTO_DIRECTORY)
  const photo = typeof at === 'number' ? directoryAt(tiff, little, at) : new Map<number, string | number>()
  return {
    camera: cameraName(textOf(image.get(MAKE)), textOf(image.get(MODEL))),
    takenAt: isoTime(textOf(photo.get(TAKEN)) ?? textOf(image.get(CHANGED)), textOf(photo.get(TAKEN_OFFSET))),
  }
}

/** @returns the short texts and single whole numbers of one directory by tag; the rest of it is of no interest. */
function directoryAt(tiff: Buffer, little: boolean, offset: number): Map<number, string | number> {
  const short = (at: number): number => (little ? tiff.readUInt16LE(at) : tiff.readUInt16BE(at))
  const long = (at: number): number => (little ? tiff.readUInt32LE(at) : tiff.readUInt32BE(at))
  const values = new Map<number, string | number>()
  const entries = Math.min(short(offset), MAX_ENTRIES)
  for (let entry = offset + 2; entry < offset + 2 + 12 * entries && entry + 12 <= tiff.length; entry += 12) {
    const [tag, type, count] = [short(entry), short(entry + 2), long(entry + 4)]
    if (type === 4 && count === 1) values.set(tag, long(entry + 8))
    if (type !== 2) continue
    const from = count <= 4 ? entry + 8 : long(entry + 8)
    values.set(tag, tiff.toString('utf8', from, from + Math.min(count, MAX_TEXT)))
  }
  return values
}

/** What people can read of a value: without padding, line ends and other control characters. */
function textOf(value: string | number | undefined): string | null {
  if (typeof value !== 'string') return null
  const text = value
    .split('\0')[0]!
    .replace(/[\p{Cc}\ufffd\s]+/gu, ' ')
    .trim()
  return text === '' ? null : text
}

/** "Canon" and "Canon EOS 80D" are one name; "Apple" and "iPhone 15" are two words of one. */
function cameraName(make: string | null, model: string | null): string | null {
  if (!make || !model) return make ?? model
  const first = make.split(' ')[0]!.toLowerCase()
  return model.toLowerCase().startsWith(first) ? model : `${make} ${model}`
}

function isoTime(text: string | null, offset: string | null): string | null {
  const match = /^(\d{4}):(\d\d):(\d\d) (\d\d:\d\d:\d\d)$/.exec(text ?? '')
  if (!match) return null
  const time = `${match[1]}-${match[2]}-${match[3]}T${match[4]}`
  if (Number.isNaN(Date.parse(`${time}Z`))) return null // Cameras whose clock was never set write zeros.
  return offset && /^[+-]\d\d:\d\d$/.test(offset) ? time + offset : time
}

/** @returns the TIFF structure that holds the EXIF data, or null. */
function exifBlock(file: Buffer, format: ImageFormat): Buffer | null {
  if (format === 'tiff') return file
  if (format === 'jpeg') return exifOfJpeg(file)
  if (format === 'png') return exifOfPng(file)
  if (format === 'webp') return exifOfWebp(file)
  return null
}

/** Walks the marker segments before the scan (ITU-T T.81, section B.1.1). */
function exifOfJpeg(file: Buffer): Buffer | null {
  for (let at = 2; at + 10 <= file.length && file[at] === 0xff && file[at + 1] !== SCAN;) {
    const end = at + 2 + file.readUInt16BE(at + 2)
    if (file[at + 1] === APP1 && file.toString('latin1', at + 4, at + 10) === PREFIX) return file.subarray(at + 10, end)
    at = end
  }
  return null
}

const SCAN = 0xda
const APP1 = 0xe1
const PREFIX = 'Exif\0\0'

function exifOfPng(file: Buffer): Buffer | null {
  for (let at = 8; at + 12 <= file.length; at += 12 + file.readUInt32BE(at))
    if (file.toString('latin1', at + 4, at + 8) === 'eXIf') return file.subarray(at + 8, at + 8 + file.readUInt32BE(at))
  return null
}

/** Some writers keep the prefix of JPEG. */
function exifOfWebp(file: Buffer): Buffer | null {
  for (let at = 12; at + 8 <= file.length;) {
    const length = file.readUInt32LE(at + 4)
    const block = file.subarray(at + 8, at + 8 + length)
    if (file.toString('latin1', at, at + 4) === 'EXIF')
      return block.toString('latin1', 0, 6) === PREFIX ? block.subarray(6) : block
    at += 8 + length + (length % 2)
  }
  return null
}
