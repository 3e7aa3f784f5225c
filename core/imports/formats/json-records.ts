/**
 * Reads JSON of any size piece by piece: the elements of its outer arrays one after the other, each small, so that a
 * file of half a gigabyte never becomes one tree in memory. Streaming parsers at hand are not made for hostile input;
 * this one only finds where a value ends and leaves its meaning to `JSON.parse`.
 *
 * J1  A record has at most `MAX_RECORD_BYTES` and `MAX_NESTING` levels; what has more is left out and counted.
 * J2  No recursion: depth costs nothing.
 */
import { MAX_NESTING, MAX_RECORD_BYTES } from './bounds.ts'

/** One element of the array `key` of the outer object, or the value of `key` itself where it is no array. */
export interface JsonRecord {
  /** Null where the outer value is an array. */
  readonly key: string | null
  readonly value: unknown
  /** Whether it is an element of an array. */
  readonly element: boolean
}

export interface JsonReading {
  record(record: JsonRecord): void
  /** A record that is too large, too deep, or no JSON, and where it begins. */
  leftOut(reason: string, at: number): void
}

/** The file ends before its JSON does, or is no JSON at all. */
export class NotJson extends Error {}

const QUOTE = 0x22
const COMMA = 0x2c
const COLON = 0x3a
const BACKSLASH = 0x5c
const ARRAY = 0x5b
const END_OF_ARRAY = 0x5d
const OBJECT = 0x7b
const END_OF_OBJECT = 0x7d

/** @throws {NotJson} when the outer value is neither object nor array, or does not end. */
export function readJson(bytes: Uint8Array, reading: JsonReading): void {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  const at = afterSpace(buffer, buffer[0] === 0xef && buffer[1] === 0xbb && buffer[2] === 0xbf ? 3 : 0)
  if (buffer[at] === ARRAY) readElements(buffer, at + 1, null, reading)
  else if (buffer[at] === OBJECT) readMembers(buffer, at + 1, reading)
  else throw new NotJson('neither an object nor an array')
}

function readMembers(buffer: Buffer, from: number, reading: JsonReading): void {
  let at = afterSpace(buffer, from)
  while (buffer[at] !== END_OF_OBJECT) {
    if (buffer[at] !== QUOTE) throw new NotJson(`no key at byte ${at}`)
    const keyEnd = endOfString(buffer, at)
    const key = parsed(buffer, at, keyEnd)
    at = afterSpace(buffer, keyEnd)
    if (buffer[at] !== COLON || typeof key !== 'string') throw new NotJson(`no value at byte ${at}`)
    at = afterSpace(buffer, at + 1)
    at = buffer[at] === ARRAY ? readElements(buffer, at + 1, key, reading) : readOne(buffer, at, key, false, reading)
    at = afterSpace(buffer, at)
    if (buffer[at] === COMMA) at = afterSpace(buffer, at + 1)
    else if (buffer[at] !== END_OF_OBJECT) throw new NotJson(`no comma at byte ${at}`)
  }
}

function readElements(buffer: Buffer, from: number, key: string | null, reading: JsonReading): number {
  let at = afterSpace(buffer, from)
  while (buffer[at] !== END_OF_ARRAY) {
    at = afterSpace(buffer, readOne(buffer, at, key, true, reading))
    if (buffer[at] === COMMA) at = afterSpace(buffer, at + 1)
    else if (buffer[at] !== END_OF_ARRAY) throw new NotJson(`no comma at byte ${at}`)
  }
  return at + 1
}

function readOne(buffer: Buffer, at: number, key: string | null, element: boolean, reading: JsonReading): number {
  const { end, depth } = endOfValue(buffer, at)
  if (end === at) throw new NotJson(`no value at byte ${at}`)
  if (end - at > MAX_RECORD_BYTES) reading.leftOut('a record of more than 4 MiB', at)
  else if (depth > MAX_NESTING) reading.leftOut('a record of more than 64 levels', at)
  else {
    const value = parsed(buffer, at, end)
    if (value === undefined) reading.leftOut('a record that is no JSON', at)
    else reading.record({ key, value, element })
  }
  return end
}

function parsed(buffer: Buffer, from: number, to: number): unknown {
  try {
    return JSON.parse(buffer.toString('utf8', from, to))
  } catch {
    return undefined
  }
}

function afterSpace(buffer: Buffer, from: number): number {
  let at = from
  while (at < buffer.length) {
    const byte = buffer[at]!
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) return at
    at++
  }
  throw new NotJson('it ends too early')
}

function endOfValue(buffer: Buffer, from: number): { end: number; depth: number } {
  let depth = 0
  let deepest = 0
  for (let at = from; at < buffer.length; at++) {
    const byte = buffer[at]!
    if (byte === QUOTE) {
      at = endOfString(buffer, at) - 1
      if (depth === 0) return { end: at + 1, depth: deepest }
    } else if (byte === OBJECT || byte === ARRAY) {
      if (++depth > deepest) deepest = depth
    } else if (byte === END_OF_OBJECT || byte === END_OF_ARRAY) {
      if (depth === 0) return { end: at, depth: deepest }
      if (--depth === 0) return { end: at + 1, depth: deepest }
    } else if (depth === 0 && (byte === COMMA || byte <= 0x20)) return { end: at, depth: deepest }
  }
  throw new NotJson('it ends too early')
}

/** @returns the place behind the closing quote of the string that opens at `from`. */
function endOfString(buffer: Buffer, from: number): number {
  for (let at = from + 1; at < buffer.length; at++) {
    if (buffer[at] === BACKSLASH) at++
    else if (buffer[at] === QUOTE) return at + 1
  }
  throw new NotJson('it ends too early')
}
