/** The failures that all stores share, worded once. */

import { PlatformError } from '#core/errors'
import type { ObjectKey } from './object-store.ts'

export function objectNotFound(uri: string, key: ObjectKey, cause?: unknown): PlatformError {
  return new PlatformError('OBJECT_NOT_FOUND', `${uri} has no object ${key}`, { uri, key }, { cause })
}

export function checkRange(key: ObjectKey, offset: number, length: number): void {
  if (Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0) return
  throw new PlatformError(
    'INVALID_INPUT',
    `range [${offset}, +${length}) of ${key} is not two whole numbers of at least 0`,
    { key, offset, length },
  )
}
