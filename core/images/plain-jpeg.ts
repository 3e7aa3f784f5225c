/**
 * Decodes the plainest JPEG files in tens of microseconds: baseline, 8 bits, grey or YCbCr, at most 128 × 128 pixels,
 * no profile, no EXIF, no restarts. Data sets of tiny images hold 10⁵ of them, and the general decoder costs 0.6 ms each.
 *
 * Returns null for anything else and for anything odd (a code that no table has, a short stream): the general decoder
 * then speaks, so both give the same pixels and the same errors. ITU-T T.81; where that leaves a choice, libjpeg's
 * ("accurate" integer inverse DCT, triangle-filtered chroma, 16-bit colour conversion), so pixels are equal bit by bit.
 */
import type { PlainImage } from './plain-png.ts'

const MAX_SIDE = 128

/** Natural position of each coefficient in the order of the file (T.81, figure A.6). */
// prettier-ignore
const ZIGZAG = Uint8Array.of(
  0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
  35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
)

interface HuffmanTable {
  /** [2 ** LOOK]: length << 8 | symbol of the code that these bits begin with; 0 where it is longer. */
  readonly short: Uint16Array
  /** For each length: the largest code, or −1; and what to add to a code to get its place in `symbols`. */
  readonly largest: Int32Array
  readonly shift: Int32Array
  readonly symbols: Uint8Array
}

const LOOK = 9

interface Component {
  readonly id: number
  /** Blocks of it side by side, and one below the other, in each unit of the scan: 1, or 2 of luma where chroma is halved. */
  readonly blocks: 1 | 2
  readonly quantization: Int32Array
}

interface Frame {
  readonly width: number
  readonly height: number
  readonly components: readonly Component[]
}

/** Samples of one component, as many as blocks cover; only [height, width] of them mean something. */
interface Plane {
  readonly samples: Uint8Array
  readonly stride: number
  readonly width: number
  readonly height: number
}

export function decodePlainJpeg(bytes: Uint8Array): PlainImage | null {
  if (bytes.length < 4 || bytes[0] !== 0xff || bytes[1] !== 0xd8) return null
  const quantization: (Int32Array | undefined)[] = []
  const tables = new Map<number, HuffmanTable>()
  let isJfif = false
  let frame: Frame | null = null
  for (let at = 2; at + 4 <= bytes.length && bytes[at] === 0xff;) {
    const marker = bytes[at + 1]!
    const from = at + 4
    const to = at + 2 + ((bytes[at + 2]! << 8) | bytes[at + 3]!)
    if (to < from || to > bytes.length) return null
    if (marker === 0xda)
      return frame && (isJfif || hasUsualIds(frame)) ? decodeScan(bytes, from, to, frame, tables) : null
    if (marker === 0xe0) isJfif ||= startsWith(bytes, from, 'JFIF\0')
    else if (marker === 0xdb) {
      if (!readQuantization(bytes, from, to, quantization)) return null
    } else if (marker === 0xc4) {
      if (!readTables(bytes, from, to, tables)) return null
    } else if (marker === 0xc0) {
      if (frame || !(frame = readFrame(bytes, from, to, quantization))) return null
    } else if (marker !== 0xfe) return null
    at = to
  }
  return null
}

function startsWith(bytes: Uint8Array, at: number, text: string): boolean {
  for (let i = 0; i < text.length; i++) if (bytes[at + i] !== text.charCodeAt(i)) return false
  return true
}

/** Without a JFIF header these ids say that the colours are YCbCr. */
function hasUsualIds({ components }: Frame): boolean {
  return components.every(({ id }, i) => id === i + 1)
}

function readQuantization(bytes: Uint8Array, from: number, to: number, into: (Int32Array | undefined)[]): boolean {
  for (let at = from; at < to; at += 65) {
    const slot = bytes[at]!
    if (slot > 3 || at + 65 > to) return false // 16 bits a value are for 12-bit images.
    const table = (into[slot] = new Int32Array(64))
    for (let i = 0; i < 64; i++) table[ZIGZAG[i]!] = bytes[at + 1 + i]!
  }
  return true
}

function readFrame(
  bytes: Uint8Array,
  from: number,
  to: number,
  quantization: readonly (Int32Array | undefined)[],
): Frame | null {
  const height = (bytes[from + 1]! << 8) | bytes[from + 2]!
  const width = (bytes[from + 3]! << 8) | bytes[from + 4]!
  const count = bytes[from + 5]!
  if (bytes[from] !== 8 || (count !== 1 && count !== 3) || to !== from + 6 + 3 * count) return null
  if (width === 0 || height === 0 || width > MAX_SIDE || height > MAX_SIDE) return null
  const components: Component[] = []
  for (let i = 0, at = from + 6; i < count; i++, at += 3) {
    const table = quantization[bytes[at + 2]!]
    if (!table) return null
    // The sampling of a single component says nothing: each of its blocks stands alone.
    const sampling = count === 1 ? 0x11 : bytes[at + 1]!
    if (sampling !== 0x11 && (sampling !== 0x22 || i > 0)) return null
    components.push({ id: bytes[at]!, blocks: sampling === 0x11 ? 1 : 2, quantization: table })
  }
  return { width, height, components }
}

/** Encoders mostly write the same tables, and making them costs more than decoding a tiny image. */
const knownSegments = new Map<string, readonly (readonly [number, HuffmanTable])[]>()
const KNOWN_SEGMENTS = 32

function readTables(bytes: Uint8Array, from: number, to: number, into: Map<number, HuffmanTable>): boolean {
  const key = Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from).toString('latin1')
  let made = knownSegments.get(key)
  if (!made) {
    const fresh = makeTables(bytes, from, to)
    if (!fresh) return false
    if (knownSegments.size >= KNOWN_SEGMENTS) knownSegments.clear()
    knownSegments.set(key, (made = fresh))
  }
  for (const [slot, table] of made) into.set(slot, table)
  return true
}

function makeTables(bytes: Uint8Array, from: number, to: number): (readonly [number, HuffmanTable])[] | null {
  const made: (readonly [number, HuffmanTable])[] = []
  for (let at = from; at < to;) {
    const slot = bytes[at]!
    const counts = bytes.subarray(at + 1, at + 17)
    const symbolsFrom = at + 17
    at = symbolsFrom + counts.reduce((sum, count) => sum + count, 0)
    if ((slot & 0xef) > 3 || at > to) return null
    const table = makeTable(counts, bytes.slice(symbolsFrom, at))
    if (!table) return null
    made.push([slot, table])
  }
  return made
}

function makeTable(counts: Uint8Array, symbols: Uint8Array): HuffmanTable | null {
  const short = new Uint16Array(1 << LOOK)
  const largest = new Int32Array(18).fill(-1)
  const shift = new Int32Array(18)
  let code = 0
  let place = 0
  for (let length = 1; length <= 16; length++) {
    const count = counts[length - 1]!
    if (code + count > 1 << length) return null
    shift[length] = place - code
    for (let i = 0; i < count; i++, code++, place++)
      if (length <= LOOK) {
        const first = code << (LOOK - length)
        short.fill((length << 8) | symbols[place]!, first, first + (1 << (LOOK - length)))
      }
    if (count > 0) largest[length] = code - 1
    code <<= 1
  }
  return { short, largest, shift, symbols }
}

/** The bits of a scan. Past its end it gives zeros, which `isAtEnd` tells. */
class Bits {
  readonly #bytes: Uint8Array
  /** Place of the next byte. */
  at: number
  #held = 0
  #count = 0
  /** Bits that were held though the stream does not have them. */
  #missing = 0

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes
    this.at = at
  }

  #fill(): void {
    const bytes = this.#bytes
    for (; this.#count <= 16; this.#count += 8) {
      const byte = this.at < bytes.length ? bytes[this.at]! : 0xff
      if (byte === 0xff && bytes[this.at + 1] !== 0) {
        this.#held <<= 8
        this.#missing += 8
      } else {
        this.#held = (this.#held << 8) | byte
        this.at += byte === 0xff ? 2 : 1
      }
    }
  }

  /** @returns the symbol, or −1 where no code begins like this. */
  symbol({ short, largest, shift, symbols }: HuffmanTable): number {
    if (this.#count < 16) this.#fill()
    const next = (this.#held >>> (this.#count - LOOK)) & ((1 << LOOK) - 1)
    const hit = short[next]!
    if (hit !== 0) {
      this.#count -= hit >> 8
      return hit & 0xff
    }
    for (let length = LOOK + 1; length <= 16; length++) {
      const code = (this.#held >>> (this.#count - length)) & ((1 << length) - 1)
      if (code > largest[length]!) continue
      this.#count -= length
      return symbols[code + shift[length]!]!
    }
    return -1
  }

  /** A signed value of `size` bits, as T.81 F.2.2.1 extends it. @param size - 1–15. */
  value(size: number): number {
    if (this.#count < size) this.#fill()
    this.#count -= size
    const bits = (this.#held >>> this.#count) & ((1 << size) - 1)
    return bits < 1 << (size - 1) ? bits - (1 << size) + 1 : bits
  }

  /** Whether no bit was given that the stream does not have, and less than a byte of it is left. */
  isAtEnd(): boolean {
    return this.#count >= this.#missing && this.#count - this.#missing < 8
  }
}

interface Coder {
  readonly dc: HuffmanTable
  readonly ac: HuffmanTable
}

function decodeScan(
  bytes: Uint8Array,
  from: number,
  to: number,
  frame: Frame,
  tables: ReadonlyMap<number, HuffmanTable>,
): PlainImage | null {
  const coders = readCoders(bytes, from, to, frame, tables)
  if (!coders) return null
  const { components, width, height } = frame
  const { blocks: scale } = components[0]!
  const unitsAcross = Math.ceil(width / (8 * scale))
  const unitsDown = Math.ceil(height / (8 * scale))
  const planes = components.map(({ blocks }) => ({
    samples: new Uint8Array(unitsAcross * unitsDown * blocks * blocks * 64),
    stride: unitsAcross * blocks * 8,
    width: Math.ceil((width * blocks) / scale),
    height: Math.ceil((height * blocks) / scale),
  }))
  const bits = new Bits(bytes, to)
  const before = new Int32Array(components.length)
  for (let unitY = 0; unitY < unitsDown; unitY++)
    for (let unitX = 0; unitX < unitsAcross; unitX++)
      for (let c = 0; c < components.length; c++) {
        const { blocks, quantization } = components[c]!
        const { samples, stride } = planes[c]!
        for (let i = 0; i < blocks * blocks; i++) {
          if (!readBlock(bits, coders[c]!, quantization)) return null
          before[c] = before[c]! + block[0]!
          block[0] = before[c]! * quantization[0]!
          const y = unitY * blocks + (i >> 1)
          const x = unitX * blocks + (i & 1)
          if (!inverseDct(samples, y * 8 * stride + x * 8, stride)) return null
        }
      }
  if (!bits.isAtEnd() || bytes[bits.at] !== 0xff || bytes[bits.at + 1] !== 0xd9) return null
  if (planes.length === 1) return { width, height, channels: 1, pixels: cropped(planes[0]!) }
  return { width, height, channels: 3, pixels: toRgb(frame, planes) }
}

/** @returns the tables of each component; null unless the scan holds all of them in order. */
function readCoders(
  bytes: Uint8Array,
  from: number,
  to: number,
  { components }: Frame,
  tables: ReadonlyMap<number, HuffmanTable>,
): Coder[] | null {
  if (to !== from + 4 + 2 * components.length || bytes[from] !== components.length) return null
  const coders: Coder[] = []
  for (const { id } of components) {
    const at = from + 1 + 2 * coders.length
    const dc = tables.get(bytes[at + 1]! >> 4)
    const ac = tables.get(16 | (bytes[at + 1]! & 15))
    if (bytes[at] !== id || !dc || !ac) return null
    coders.push({ dc, ac })
  }
  return coders
}

/** The block under way: [8, 8] coefficients, dequantized but for the first, which is the difference to the one before. */
const block = new Int32Array(64)

/** @returns false where the stream is odd. */
function readBlock(bits: Bits, { dc, ac }: Coder, quantization: Int32Array): boolean {
  block.fill(0)
  const size = bits.symbol(dc)
  if (size < 0 || size > 11) return false
  if (size > 0) block[0] = bits.value(size)
  for (let k = 1; k < 64; k++) {
    const symbol = bits.symbol(ac)
    if (symbol < 0) return false
    const run = symbol >> 4
    const length = symbol & 15
    if (length === 0) {
      if (run !== 15) break
      k += 15
      continue
    }
    k += run
    if (k > 63 || length > 10) return false
    const place = ZIGZAG[k]!
    block[place] = bits.value(length) * quantization[place]!
  }
  return true
}

const F_0_298 = 2446
const F_0_390 = 3196
const F_0_541 = 4433
const F_0_765 = 6270
const F_0_899 = 7373
const F_1_175 = 9633
const F_1_501 = 12299
const F_1_847 = 15137
const F_1_961 = 16069
const F_2_053 = 16819
const F_2_562 = 20995
const F_3_072 = 25172

const columns = new Int32Array(64)

/** No encoder makes such a coefficient of 8-bit samples, and libjpeg's vector instructions would not hold it. */
const MAX_COEFFICIENT = 1536

/**
 * Loeffler, Ligtenberg & Moschytz (ICASSP 1989) in integers of 13 bits, as libjpeg's `jpeg_idct_islow`: `block` to
 * [8, 8] samples at `top`.
 *
 * @returns false where numbers leave the range in which all of libjpeg's ways agree.
 */
function inverseDct(samples: Uint8Array, top: number, stride: number): boolean {
  let bits = 0
  for (let i = 0; i < 64; i++) if (block[i]! > MAX_COEFFICIENT || block[i]! < -MAX_COEFFICIENT) return false
  for (let x = 0; x < 8; x++) transform(block, x, 8, columns, x, 8, 11)
  for (let i = 0; i < 64; i++) bits |= columns[i]! + 32_768
  if (bits & ~0xffff) return false
  for (let y = 0; y < 8; y++) {
    transform(columns, y * 8, 1, columns, y * 8, 1, 18)
    const row = top + y * stride
    for (let x = 0; x < 8; x++) {
      const value = columns[y * 8 + x]! + 128
      bits |= value + 512
      samples[row + x] = value < 0 ? 0 : value > 255 ? 255 : value
    }
  }
  return (bits & ~0xffff) === 0
}

/** One row or column of eight. @param bits - to drop from the result, rounding. */
function transform(
  from: Int32Array,
  at: number,
  step: number,
  into: Int32Array,
  to: number,
  stepTo: number,
  bits: number,
): void {
  const c0 = from[at]!
  const c1 = from[at + step]!
  const c2 = from[at + 2 * step]!
  const c3 = from[at + 3 * step]!
  const c4 = from[at + 4 * step]!
  const c5 = from[at + 5 * step]!
  const c6 = from[at + 6 * step]!
  const c7 = from[at + 7 * step]!
  const half = 1 << (bits - 1)
  if ((c1 | c2 | c3 | c4 | c5 | c6 | c7) === 0) {
    const flat = ((c0 << 13) + half) >> bits
    for (let i = 0; i < 8; i++) into[to + i * stepTo] = flat
    return
  }
  const even = (c2 + c6) * F_0_541
  const even2 = even - c6 * F_1_847
  const even3 = even + c2 * F_0_765
  const sum = (c0 + c4) << 13
  const difference = (c0 - c4) << 13
  const e0 = sum + even3 + half
  const e3 = sum - even3 + half
  const e1 = difference + even2 + half
  const e2 = difference - even2 + half
  const z5 = (c7 + c3 + c5 + c1) * F_1_175
  const z1 = -(c7 + c1) * F_0_899
  const z2 = -(c5 + c3) * F_2_562
  const z3 = z5 - (c7 + c3) * F_1_961
  const z4 = z5 - (c5 + c1) * F_0_390
  const o0 = c7 * F_0_298 + z1 + z3
  const o1 = c5 * F_2_053 + z2 + z4
  const o2 = c3 * F_3_072 + z2 + z3
  const o3 = c1 * F_1_501 + z1 + z4
  into[to] = (e0 + o3) >> bits
  into[to + 7 * stepTo] = (e0 - o3) >> bits
  into[to + stepTo] = (e1 + o2) >> bits
  into[to + 6 * stepTo] = (e1 - o2) >> bits
  into[to + 2 * stepTo] = (e2 + o1) >> bits
  into[to + 5 * stepTo] = (e2 - o1) >> bits
  into[to + 3 * stepTo] = (e3 + o0) >> bits
  into[to + 4 * stepTo] = (e3 - o0) >> bits
}

function cropped({ samples, stride, width, height }: Plane): Uint8Array {
  const pixels = new Uint8Array(width * height)
  for (let y = 0; y < height; y++) pixels.set(samples.subarray(y * stride, y * stride + width), y * width)
  return pixels
}

/** What each chroma value adds, in units of 2⁻¹⁶ where two are summed: R by Cr, B by Cb, G by both. */
const redOf = new Int32Array(256)
const blueOf = new Int32Array(256)
const greenOfRed = new Int32Array(256)
const greenOfBlue = new Int32Array(256)
for (let i = 0; i < 256; i++) {
  const x = i - 128
  redOf[i] = (91881 * x + 32768) >> 16
  blueOf[i] = (116130 * x + 32768) >> 16
  greenOfRed[i] = -46802 * x
  greenOfBlue[i] = -22554 * x + 32768
}

/** @returns uint8 [height, width, 3]. */
function toRgb({ width, height, components }: Frame, planes: readonly Plane[]): Uint8Array {
  const luma = planes[0]!
  const isHalved = components[0]!.blocks === 2
  const pixels = new Uint8Array(width * height * 3)
  // Rows of an odd width get one sample more than they show.
  const blues = new Uint8Array(width + 1)
  const reds = new Uint8Array(width + 1)
  const chromaRow = isHalved ? doubledRow : ownRow
  for (let y = 0, to = 0; y < height; y++) {
    chromaRow(planes[1]!, y, blues)
    chromaRow(planes[2]!, y, reds)
    for (let x = 0, from = y * luma.stride; x < width; x++, from++, to += 3) {
      const light = luma.samples[from]!
      const blue = blues[x]!
      const red = reds[x]!
      pixels[to] = clamped(light + redOf[red]!)
      pixels[to + 1] = clamped(light + ((greenOfBlue[blue]! + greenOfRed[red]!) >> 16))
      pixels[to + 2] = clamped(light + blueOf[blue]!)
    }
  }
  return pixels
}

function clamped(value: number): number {
  return value < 0 ? 0 : value > 255 ? 255 : value
}

function ownRow({ samples, stride, width }: Plane, y: number, into: Uint8Array): void {
  into.set(samples.subarray(y * stride, y * stride + width))
}

/** 3 · this row + the nearer neighbour, before the columns are weighed likewise. */
const sums = new Int32Array(MAX_SIDE)

/** Row `y` of a plane doubled in both directions: each value is 3/4 of the nearer and 1/4 of the farther, twice. */
function doubledRow({ samples, stride, width, height }: Plane, y: number, into: Uint8Array): void {
  const own = (y >> 1) * stride
  if (width <= 2) {
    for (let x = 0; x < width; x++) into[2 * x] = into[2 * x + 1] = samples[own + x]!
    return
  }
  const beside = Math.min(height - 1, Math.max(0, (y >> 1) + (y & 1 ? 1 : -1))) * stride
  for (let x = 0; x < width; x++) sums[x] = 3 * samples[own + x]! + samples[beside + x]!
  for (let x = 0; x < width; x++) {
    const sum = sums[x]!
    into[2 * x] = (3 * sum + sums[x === 0 ? 0 : x - 1]! + 8) >> 4
    into[2 * x + 1] = (3 * sum + sums[x === width - 1 ? x : x + 1]! + 7) >> 4
  }
}
