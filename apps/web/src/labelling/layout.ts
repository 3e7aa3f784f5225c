/** Where the images of a screen stand, and how large: a grid of at most ten columns, or two beside each other for a pair. */
import type { Screen } from '../api/types.ts'
import { COLUMN_KEYS } from './key-map.ts'

export interface Layout {
  readonly columns: number
  readonly rows: number
  /** Side of one square cell in pixels. */
  readonly cell: number
  /** Row by row, which image stands there; null: none. */
  readonly places: readonly (number | null)[]
  /** Columns of the left pane where there are two; else null. */
  readonly split: number | null
}

/** Below this an image cannot be judged: the page scrolls instead. */
const SMALLEST = 76
const LARGEST = 220
const LARGEST_SINGLE = 640
/** Between two panes. */
export const PANE_GAP = 28

/** @param height - 0 where the page scrolls. */
export function layOut(screen: Screen, width: number, height: number): Layout {
  return screen.kind === 'pair' && screen.pair && screen.proposals
    ? twoPanes(screen, width, height)
    : onePane(screen, width, height)
}

function onePane({ images, kind }: Screen, width: number, height: number): Layout {
  const largest = kind === 'single' ? LARGEST_SINGLE : LARGEST
  let [columns, cell] = [1, 0]
  for (let tried = 1; tried <= Math.min(COLUMN_KEYS.length, Math.max(1, images.length)); tried++) {
    const side = Math.floor(Math.min(width / tried, height / Math.ceil(images.length / tried), largest))
    if (side > cell) [columns, cell] = [tried, side]
  }
  if (cell < SMALLEST && width > 0) {
    columns = Math.max(1, Math.min(COLUMN_KEYS.length, images.length, Math.floor(width / SMALLEST)))
    cell = Math.floor(Math.min(width / columns, largest))
  }
  const rows = Math.ceil(images.length / columns)
  const places = Array.from({ length: rows * columns }, (_, at) => (at < images.length ? at : null))
  return { columns, rows, cell, places, split: null }
}

function twoPanes({ images, pair, proposals }: Screen, width: number, height: number): Layout {
  const left = images.flatMap((_, at) => (proposals![at] === pair![0] ? [at] : []))
  const right = images.flatMap((_, at) => (proposals![at] === pair![0] ? [] : [at]))
  const rowsOf = (leftColumns: number, rightColumns: number) =>
    Math.max(1, Math.ceil(left.length / leftColumns), Math.ceil(right.length / rightColumns))
  const most = COLUMN_KEYS.length
  let [l, r, cell] = [1, 1, 0]
  for (let leftTried = 1; leftTried < most; leftTried++)
    for (let rightTried = 1; leftTried + rightTried <= most; rightTried++) {
      const rows = rowsOf(leftTried, rightTried)
      const across = (width - PANE_GAP) / (leftTried + rightTried)
      const side = Math.floor(Math.min(across, height > 0 ? height / rows : across, LARGEST))
      const isBetter = height > 0 ? side > cell : side >= SMALLEST && rows < rowsOf(l, r)
      if (isBetter || cell === 0) [l, r, cell] = [leftTried, rightTried, side]
    }
  const [columns, rows] = [l + r, rowsOf(l, r)]
  const places = Array.from({ length: rows * columns }, (_, at) => {
    const [row, column] = [Math.floor(at / columns), at % columns]
    return (
      (column < l ? (row * l + column < left.length ? left[row * l + column] : null) : right[row * r + column - l]) ??
      null
    )
  })
  return { columns, rows, cell, places, split: l }
}

/** The image in that direction: the next place that is not empty; where there is none, the one it began with. */
export function step(layout: Layout, from: number, columns: number, rows: number): number {
  const at = layout.places.indexOf(from)
  let [column, row] = [(at % layout.columns) + columns, Math.floor(at / layout.columns) + rows]
  // Off the end of a line goes on with the next one, as reading does.
  if (columns !== 0 && column < 0) [column, row] = [layout.columns - 1, row - 1]
  if (columns !== 0 && column >= layout.columns) [column, row] = [0, row + 1]
  while (row >= 0 && row < layout.rows && column >= 0 && column < layout.columns) {
    const image = layout.places[row * layout.columns + column]
    if (image != null) return image
    if (columns !== 0) {
      column += columns
      if (column < 0) [column, row] = [layout.columns - 1, row - 1]
      if (column >= layout.columns) [column, row] = [0, row + 1]
    } else row += rows
  }
  return from
}

/** The images from one to the other, in the order in which they stand. */
export function between(layout: Layout, one: number, other: number): number[] {
  const [a, b] = [layout.places.indexOf(one), layout.places.indexOf(other)]
  return layout.places.slice(Math.min(a, b), Math.max(a, b) + 1).filter((image) => image !== null)
}

/** The stored size of thumbnails that is sharp enough at this one. */
export function thumbnailFor(cell: number, pixelRatio: number): 96 | 160 | 320 | 640 {
  const pixels = cell * pixelRatio
  return pixels <= 110 ? 96 : pixels <= 200 ? 160 : pixels <= 400 ? 320 : 640
}
