/** The rules that every key keeps in every store, so that what works in a folder works on S3, and no key leaves its root. */

import { PlatformError } from '#core/errors'
import type { ObjectKey } from './object-store.ts'

const MAX_KEY_BYTES = 512
const MAX_SEGMENT_BYTES = 255

/** The one first segment that belongs to the stores themselves: files being written. */
export const TEMPORARY_FOLDER = '.tmp'

/** @throws {PlatformError} `INVALID_INPUT` when the key breaks the rules of `ObjectKey`. */
export function checkKey(key: ObjectKey): void {
  const trouble = troubleWith(key)
  if (trouble) throw new PlatformError('INVALID_INPUT', `object key ${JSON.stringify(key)} ${trouble}`, { key })
}

function troubleWith(key: string): string | null {
  if (Buffer.byteLength(key) > MAX_KEY_BYTES) return `has ${Buffer.byteLength(key)} bytes; at most ${MAX_KEY_BYTES} fit`
  if (hasControlCharacterOrBackslash(key)) return 'has a control character or a backslash; use `/`, letters and digits'
  const segments = key.split('/')
  if (segments.some((segment) => segment === ''))
    return 'has an empty segment; keys are relative, like `runs/r1/plan.json`'
  if (segments.some((segment) => segment === '.' || segment === '..')) return 'has a `.` or `..` segment'
  if (segments.some((segment) => Buffer.byteLength(segment) > MAX_SEGMENT_BYTES))
    return `has a segment of more than ${MAX_SEGMENT_BYTES} bytes`
  if (segments[0] === TEMPORARY_FOLDER) return `begins with ${TEMPORARY_FOLDER}, which belongs to the store`
  return null
}

function hasControlCharacterOrBackslash(key: string): boolean {
  for (let i = 0; i < key.length; i++) {
    const unit = key.charCodeAt(i)
    if (unit < 0x20 || unit === 0x7f || unit === 0x5c) return true
  }
  return false
}

const NAME = /^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/

/**
 * Names that people give and that become segments of keys: projects, datasets, models, endpoints, users.
 *
 * @param what - the kind of thing, for the message: `dataset`.
 * @throws {PlatformError} `INVALID_NAME`.
 */
export function checkName(what: string, name: string): void {
  if (NAME.test(name)) return
  throw new PlatformError(
    'INVALID_NAME',
    `${what} name ${JSON.stringify(name)} is not 1–40 lower-case letters, digits and inner hyphens`,
    { what, name },
  )
}

/** The order of `list`: by UTF-8 bytes, which JavaScript's own `<` (UTF-16 units) is not. */
export function compareKeys(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}
