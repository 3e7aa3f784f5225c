/** Tells image files by their first bytes (never by their names), and says in plain words what a file is instead. */

export const imageFormats = ['jpeg', 'png', 'webp', 'tiff', 'gif'] as const
export type ImageFormat = (typeof imageFormats)[number]

interface Signature {
  readonly at: number
  readonly bytes: string
}

const readable: readonly (readonly [ImageFormat, Signature])[] = [
  ['jpeg', { at: 0, bytes: '\xff\xd8\xff' }],
  ['png', { at: 0, bytes: '\x89PNG\r\n\x1a\n' }],
  ['webp', { at: 8, bytes: 'WEBP' }],
  ['tiff', { at: 0, bytes: 'II*\0' }],
  ['tiff', { at: 0, bytes: 'MM\0*' }],
  ['tiff', { at: 0, bytes: 'II+\0' }],
  ['tiff', { at: 0, bytes: 'MM\0+' }],
  ['gif', { at: 0, bytes: 'GIF87a' }],
  ['gif', { at: 0, bytes: 'GIF89a' }],
]

const unreadable: readonly (readonly [string, Signature])[] = [
  ['a BMP image', { at: 0, bytes: 'BM' }],
  ['a HEIC or AVIF image', { at: 4, bytes: 'ftyp' }],
  ['a JPEG XL image', { at: 0, bytes: '\xff\x0a' }],
  ['a JPEG 2000 image', { at: 4, bytes: 'jP  ' }],
  ['a Photoshop file', { at: 0, bytes: '8BPS' }],
  ['a PDF', { at: 0, bytes: '%PDF' }],
  ['a zip archive', { at: 0, bytes: 'PK\x03\x04' }],
  ['a gzip file', { at: 0, bytes: '\x1f\x8b' }],
]

/** How many bytes at the start of a file tell its format. */
export const SNIFF_BYTES = 16

/** @returns the format that the first bytes announce, or null. */
export function sniffFormat(bytes: Uint8Array): ImageFormat | null {
  return readable.find(([, signature]) => carries(bytes, signature))?.[0] ?? null
}

export function startsLikeImage(bytes: Uint8Array): boolean {
  return sniffFormat(bytes) !== null
}

/** @returns what the bytes are instead of an image that we read: "a BMP image", "a text file", "not an image". */
export function describeForeign(bytes: Uint8Array): string {
  const known = unreadable.find(([, signature]) => carries(bytes, signature))?.[0]
  if (known) return known
  const start = Buffer.from(bytes.subarray(0, 512)).toString('utf8')
  if (/<svg[\s>]/i.test(start)) return 'an SVG drawing'
  // Control characters other than tab and line ends do not occur in text; a cut last character may.
  const printable = /^[^\x00-\x08\x0e-\x1f\ufffd]*\ufffd?$/.test(start)
  return printable ? 'a text file' : 'not an image'
}

function carries(bytes: Uint8Array, { at, bytes: expected }: Signature): boolean {
  if (bytes.length < at + expected.length) return false
  for (let i = 0; i < expected.length; i++) if (bytes[at + i] !== expected.charCodeAt(i)) return false
  return true
}
