/** The tensor datatypes of the Open Inference Protocol v2, and how their elements look in JSON and in raw bytes. */

import { PlatformError } from '#core/errors'

/** Bytes per element; BYTES elements vary: in raw form each is a uint32 length and its bytes. */
export const ELEMENT_BYTES = {
  BOOL: 1,
  UINT8: 1,
  UINT16: 2,
  UINT32: 4,
  UINT64: 8,
  INT8: 1,
  INT16: 2,
  INT32: 4,
  INT64: 8,
  FP16: 2,
  BF16: 2,
  FP32: 4,
  FP64: 8,
  BYTES: 0,
} as const

export type Datatype = keyof typeof ELEMENT_BYTES

export function isDatatype(name: unknown): name is Datatype {
  return typeof name === 'string' && Object.hasOwn(ELEMENT_BYTES, name)
}

interface NumberFormat {
  readonly integer: boolean
  readonly lowest: number
  readonly highest: number
  read(view: DataView, at: number): number
  write(view: DataView, at: number, value: number): void
}

function wholeNumber(
  lowest: number,
  highest: number,
  read: NumberFormat['read'],
  write: NumberFormat['write'],
): NumberFormat {
  return { integer: true, lowest, highest, read, write }
}

function realNumber(read: NumberFormat['read'], write: NumberFormat['write']): NumberFormat {
  return { integer: false, lowest: -Infinity, highest: Infinity, read, write }
}

/** JSON numbers are doubles: 64-bit integers beyond ±(2^53 − 1) travel in binary form only. FP16 and BF16 have no JSON form. */
const FORMATS: Partial<Record<Datatype, NumberFormat>> = {
  UINT8: wholeNumber(
    0,
    255,
    (v, at) => v.getUint8(at),
    (v, at, x) => v.setUint8(at, x),
  ),
  INT8: wholeNumber(
    -128,
    127,
    (v, at) => v.getInt8(at),
    (v, at, x) => v.setInt8(at, x),
  ),
  UINT16: wholeNumber(
    0,
    65_535,
    (v, at) => v.getUint16(at, true),
    (v, at, x) => v.setUint16(at, x, true),
  ),
  INT16: wholeNumber(
    -32_768,
    32_767,
    (v, at) => v.getInt16(at, true),
    (v, at, x) => v.setInt16(at, x, true),
  ),
  UINT32: wholeNumber(
    0,
    2 ** 32 - 1,
    (v, at) => v.getUint32(at, true),
    (v, at, x) => v.setUint32(at, x, true),
  ),
  INT32: wholeNumber(
    -(2 ** 31),
    2 ** 31 - 1,
    (v, at) => v.getInt32(at, true),
    (v, at, x) => v.setInt32(at, x, true),
  ),
  UINT64: wholeNumber(
    0,
    Number.MAX_SAFE_INTEGER,
    (v, at) => Number(v.getBigUint64(at, true)),
    (v, at, x) => v.setBigUint64(at, BigInt(x), true),
  ),
  INT64: wholeNumber(
    Number.MIN_SAFE_INTEGER,
    Number.MAX_SAFE_INTEGER,
    (v, at) => Number(v.getBigInt64(at, true)),
    (v, at, x) => v.setBigInt64(at, BigInt(x), true),
  ),
  FP32: realNumber(
    // Nine digits carry a float32 exactly and read better than the double nearest to it.
    (v, at) => Number(v.getFloat32(at, true).toPrecision(9)),
    (v, at, x) => v.setFloat32(at, x, true),
  ),
  FP64: realNumber(
    (v, at) => v.getFloat64(at, true),
    (v, at, x) => v.setFloat64(at, x, true),
  ),
}

/**
 * @param values - flat, row-major, as they stood in JSON.
 * @returns little-endian bytes, without padding.
 * @throws {PlatformError} `INVALID_INPUT` for a value of the wrong kind or outside the datatype's bounds.
 */
export function numbersToBytes(values: readonly unknown[], datatype: Datatype, tensor: string): Uint8Array {
  const bytes = new Uint8Array(values.length * ELEMENT_BYTES[datatype])
  if (datatype === 'BOOL') {
    values.forEach((value, i) => {
      if (typeof value !== 'boolean') throw wrongElement(tensor, datatype, i, value)
      bytes[i] = value ? 1 : 0
    })
    return bytes
  }
  const format = FORMATS[datatype]
  if (!format)
    throw new PlatformError(
      'INVALID_INPUT',
      `input '${tensor}' is ${datatype}, which has no JSON form; send it as binary data`,
    )
  const view = new DataView(bytes.buffer)
  const width = ELEMENT_BYTES[datatype]
  for (let i = 0; i < values.length; i++) {
    const value = values[i]
    if (
      typeof value !== 'number' ||
      value < format.lowest ||
      value > format.highest ||
      (format.integer && !Number.isInteger(value))
    )
      throw wrongElement(tensor, datatype, i, value)
    format.write(view, i * width, value)
  }
  return bytes
}

/** The JSON form of little-endian bytes: numbers, or booleans for BOOL. A number that JSON cannot write becomes null. */
export function bytesToNumbers(bytes: Uint8Array, datatype: Datatype): (number | boolean | null)[] {
  if (datatype === 'BOOL') return Array.from(bytes, (byte) => byte !== 0)
  const format = FORMATS[datatype]
  if (!format)
    throw new PlatformError('INVALID_INPUT', `${datatype} has no JSON form; ask for the output as binary data`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const width = ELEMENT_BYTES[datatype]
  return Array.from({ length: bytes.length / width }, (_, i) => {
    const value = format.read(view, i * width)
    return Number.isFinite(value) ? value : null
  })
}

function wrongElement(tensor: string, datatype: Datatype, index: number, value: unknown): PlatformError {
  const shown = JSON.stringify(value)?.slice(0, 40) ?? typeof value
  return new PlatformError('INVALID_INPUT', `input '${tensor}' is ${datatype}, but element ${index} is ${shown}`)
}
