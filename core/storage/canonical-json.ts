/**
 * One text for one value, so that equal content always has an equal digest, whoever wrote it and in which order.
 *
 * Keys in ascending order of UTF-16 units and numbers as ECMAScript writes them (both as in RFC 8785), no white space.
 * A property that is undefined counts as absent. What JSON cannot carry faithfully is refused, not bent.
 */

import { createHash } from 'node:crypto'
import { PlatformError } from '#core/errors'

/** @throws {PlatformError} `INVALID_INPUT` with the path of a value that JSON cannot carry. */
export function canonicalJson(value: unknown): string {
  return encode(value, '$')
}

/** SHA-256 of the canonical text in UTF-8, lower-case hex. */
export function digestJson(value: unknown): string {
  return sha256Hex(Buffer.from(canonicalJson(value)))
}

/** Lower-case hex, 64 characters. */
export function sha256Hex(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function encode(value: unknown, at: string): string {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return JSON.stringify(value)
  if (typeof value === 'number') {
    if (Number.isFinite(value)) return JSON.stringify(value)
    throw refusal(at, `the number ${value}`)
  }
  if (Array.isArray(value)) return `[${value.map((item, i) => encode(item, `${at}[${i}]`)).join(',')}]`
  if (isPlainObject(value)) {
    const members = Object.keys(value)
      .filter((key) => value[key] !== undefined)
      .sort()
      .map((key) => `${JSON.stringify(key)}:${encode(value[key], `${at}.${key}`)}`)
    return `{${members.join(',')}}`
  }
  throw refusal(
    at,
    typeof value === 'object' ? `a ${value?.constructor?.name ?? 'special object'}` : `a ${typeof value}`,
  )
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

function refusal(at: string, what: string): PlatformError {
  return new PlatformError('INVALID_INPUT', `${at} is ${what}, which JSON cannot carry`, { path: at })
}
