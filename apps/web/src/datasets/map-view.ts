/**
 * A map of up to millions of points, drawn by the processor into plain pixels: a million take about as long as a frame, and no
 * graphics driver, no generated code stands between the points and the page. Points are images in the order of their digests.
 */

/** `xy` holds x, y of each point, one after the other. */
export interface Points {
  readonly count: number
  readonly xy: Float32Array
}

/** The place on the map that stands in the middle of the window, and pixels a unit. */
export interface View {
  readonly x: number
  readonly y: number
  readonly scale: number
}

export interface Size {
  readonly width: number
  readonly height: number
}

/** x, y of each corner, one after the other, in units of the map. */
export type Polygon = readonly number[]

/** As the API sends it: uint32 n, then x, y of each image as float32, little-endian. */
export function readPoints(bytes: ArrayBuffer): Points {
  const count = new DataView(bytes).getUint32(0, true)
  return { count, xy: new Float32Array(bytes, 4, count * 2) }
}

const MARGIN = 0.94
/** Stray points do not decide how small all others are. */
const STRAY = 0.002

/** All but strays, in the middle of the window. */
export function fit({ count, xy }: Points, { width, height }: Size): View {
  if (!count) return { x: 0, y: 0, scale: 1 }
  const step = Math.max(1, Math.floor(count / 20_000))
  const bounds = [0, 1].map((axis) => {
    const sample: number[] = []
    for (let point = 0; point < count; point += step) sample.push(xy[point * 2 + axis]!)
    sample.sort((a, b) => a - b)
    const cut = Math.floor(sample.length * STRAY)
    return [sample[cut]!, sample[sample.length - 1 - cut]!] as const
  })
  const [[left, right], [top, bottom]] = bounds as [readonly [number, number], readonly [number, number]]
  const scale = MARGIN * Math.min(width / Math.max(1e-6, right - left), height / Math.max(1e-6, bottom - top))
  return { x: (left + right) / 2, y: (top + bottom) / 2, scale }
}

/** The same view, nearer by `factor`; the place under the pixel stays there. */
export function zoomAt(view: View, { width, height }: Size, px: number, py: number, factor: number): View {
  const [x, y] = toMap(view, { width, height }, px, py)
  const scale = view.scale * factor
  return { x: x - (px - width / 2) / scale, y: y - (py - height / 2) / scale, scale }
}

export const toMap = (view: View, { width, height }: Size, px: number, py: number): [number, number] => [
  view.x + (px - width / 2) / view.scale,
  view.y + (py - height / 2) / view.scale,
]

export const toPixel = (view: View, { width, height }: Size, x: number, y: number): [number, number] => [
  (x - view.x) * view.scale + width / 2,
  (y - view.y) * view.scale + height / 2,
]

export interface Paint {
  /** RGBA of each code, as the bytes of a little-endian word. */
  readonly colours: Uint32Array
  /** Code of each point; all are 0 where left out. */
  readonly codes: Uint8Array | null
  /** Points that stand out, each 1; the others take `quiet`. */
  readonly marked: Uint8Array | null
  readonly quiet: number
  readonly accent: number
  /** Only points of this code keep their colour. */
  readonly only: number | null
}

/** Half the side of a point, in pixels: as large as leaves them apart. */
export function radiusFor(seen: number, { width, height }: Size, density: number): number {
  const room = Math.sqrt((width * height) / Math.max(1, seen)) / 5
  return Math.max(0.5, Math.min(4, room / density)) * density
}

/** Draws all points into the pixels of a window. Later ones cover earlier ones; those that stand out come last. */
export function paint(pixels: Uint32Array, points: Points, view: View, size: Size, radius: number, how: Paint): void {
  pixels.fill(0)
  const stencil = stencilOf(radius, size.width)
  const { marked } = how
  draw(pixels, points, view, size, stencil, (point) => {
    const code = how.codes ? how.codes[point]! : 0
    if (marked) return marked[point] ? -1 : how.quiet
    return how.only !== null && how.only !== code ? how.quiet : how.colours[code % how.colours.length]!
  })
  if (marked) draw(pixels, points, view, size, stencil, (point) => (marked[point] ? how.accent : -1))
}

interface Stencil {
  readonly reach: number
  /** Distances in the pixels from the middle of a point. */
  readonly offsets: Int32Array
}

function stencilOf(radius: number, width: number): Stencil {
  const reach = Math.floor(radius)
  const offsets: number[] = []
  for (let y = -reach; y <= reach; y++)
    for (let x = -reach; x <= reach; x++) if (x * x + y * y <= radius * radius + 0.3) offsets.push(y * width + x)
  return { reach, offsets: Int32Array.from(offsets) }
}

function draw(
  pixels: Uint32Array,
  { count, xy }: Points,
  view: View,
  { width, height }: Size,
  { reach, offsets }: Stencil,
  colourOf: (point: number) => number,
): void {
  const [left, top] = [width / 2 - view.x * view.scale, height / 2 - view.y * view.scale]
  for (let point = 0; point < count; point++) {
    const px = Math.floor(xy[point * 2]! * view.scale + left)
    const py = Math.floor(xy[point * 2 + 1]! * view.scale + top)
    if (px < reach || py < reach || px >= width - reach || py >= height - reach) continue
    const colour = colourOf(point)
    if (colour < 0) continue
    const middle = py * width + px
    for (let at = 0; at < offsets.length; at++) pixels[middle + offsets[at]!] = colour
  }
}

/** Points that stand in the window; counting ends at `most`. */
export function seenIn({ count, xy }: Points, view: View, { width, height }: Size, most = Infinity): number[] {
  const [halfX, halfY] = [width / 2 / view.scale, height / 2 / view.scale]
  const seen: number[] = []
  for (let point = 0; point < count && seen.length < most; point++)
    if (Math.abs(xy[point * 2]! - view.x) <= halfX && Math.abs(xy[point * 2 + 1]! - view.y) <= halfY) seen.push(point)
  return seen
}

/** The point nearest to a pixel, or −1 where none is within reach. */
export function nearest({ count, xy }: Points, view: View, size: Size, px: number, py: number, reach: number): number {
  const [x, y] = toMap(view, size, px, py)
  let [found, best] = [-1, (reach / view.scale) ** 2]
  for (let point = 0; point < count; point++) {
    const distance = (xy[point * 2]! - x) ** 2 + (xy[point * 2 + 1]! - y) ** 2
    if (distance < best) [found, best] = [point, distance]
  }
  return found
}

/** Points within a polygon, by the even-odd rule, ascending. */
export function within({ count, xy }: Points, polygon: Polygon): number[] {
  const [xs, ys] = [0, 1].map((axis) => polygon.filter((_, at) => at % 2 === axis)) as [number[], number[]]
  const [left, right] = [Math.min(...xs), Math.max(...xs)]
  const [top, bottom] = [Math.min(...ys), Math.max(...ys)]
  const found: number[] = []
  for (let point = 0; point < count; point++) {
    const [x, y] = [xy[point * 2]!, xy[point * 2 + 1]!]
    if (x >= left && x <= right && y >= top && y <= bottom && isInside(xs, ys, x, y)) found.push(point)
  }
  return found
}

function isInside(xs: readonly number[], ys: readonly number[], x: number, y: number): boolean {
  let inside = false
  for (let at = 0, before = xs.length - 1; at < xs.length; before = at++) {
    const crosses = ys[at]! > y !== ys[before]! > y
    if (crosses && x < ((xs[before]! - xs[at]!) * (y - ys[at]!)) / (ys[before]! - ys[at]!) + xs[at]!) inside = !inside
  }
  return inside
}

const CORNERS_AT_MOST = 64

/** Few corners, so that a lasso fits into an address. */
export function simplified(polygon: Polygon): Polygon {
  const corners = polygon.length / 2
  const step = Math.max(1, Math.ceil(corners / CORNERS_AT_MOST))
  return polygon.filter((_, at) => Math.floor(at / 2) % step === 0).map((value) => Number(value.toPrecision(5)))
}

/** The middle of the points of each code, where its name is written; null of codes without points. */
export function middles({ count, xy }: Points, codes: Uint8Array, kinds: number): readonly ([number, number] | null)[] {
  const step = Math.max(1, Math.floor(count / 50_000))
  const found: [number[], number[]][] = Array.from({ length: kinds }, () => [[], []])
  for (let point = 0; point < count; point += step) {
    const place = found[codes[point]!]
    place?.[0].push(xy[point * 2]!)
    place?.[1].push(xy[point * 2 + 1]!)
  }
  return found.map(([xs, ys]) => (xs.length ? [median(xs), median(ys)] : null))
}

function median(values: number[]): number {
  values.sort((a, b) => a - b)
  return values[values.length >> 1]!
}
