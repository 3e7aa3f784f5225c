/** The columns of an image, in words: what people filter and order by. */
import { figure, size } from '../parts/format.ts'
import type { Row, Value } from './types.ts'

type Kind = 'text' | 'number' | 'boolean' | 'list'

interface Column {
  readonly kind: Kind
  readonly title: string
  /** Words for values that do not speak for themselves. */
  readonly words?: Readonly<Record<string, string>>
}

const COLUMNS: Readonly<Record<string, Column>> = {
  label: { kind: 'text', title: 'Class', words: { '': 'no label' } },
  split: { kind: 'text', title: 'Split', words: { test: 'held out' } },
  origin: {
    kind: 'text',
    title: 'Judged by',
    words: {
      human: 'a person',
      inferred: 'a person, on its group',
      predicted: 'a model',
      imported: 'the import',
      '': 'nobody',
    },
  },
  humanSeen: { kind: 'boolean', title: 'Seen by a person', words: { true: 'yes', false: 'no' } },
  excluded: { kind: 'text', title: 'Left out', words: { '': 'no' } },
  tags: { kind: 'list', title: 'Tags', words: { '': 'none' } },
  boxClasses: { kind: 'list', title: 'Classes of boxes', words: { '': 'none' } },
  boxes: { kind: 'number', title: 'Boxes' },
  blur: { kind: 'number', title: 'Blur' },
  brightness: { kind: 'number', title: 'Brightness' },
  contrast: { kind: 'number', title: 'Contrast' },
  entropy: { kind: 'number', title: 'Entropy, bits' },
  colour: { kind: 'number', title: 'Colour' },
  sizeBytes: { kind: 'number', title: 'File size' },
  width: { kind: 'number', title: 'Width' },
  height: { kind: 'number', title: 'Height' },
  format: { kind: 'text', title: 'Format' },
  camera: { kind: 'text', title: 'Camera', words: { '': 'not said' } },
  takenAt: { kind: 'text', title: 'Taken', words: { '': 'not said' } },
  group: { kind: 'text', title: 'Near-duplicate group' },
  source: { kind: 'text', title: 'Source' },
  digest: { kind: 'text', title: 'Digest' },
}

const ORDER = Object.keys(COLUMNS)

/** Facets as people decide by them: labels first, measures next, the rest behind. */
export const rankOf = (column: string): number => {
  const at = ORDER.indexOf(column)
  return at < 0 ? ORDER.length : at
}

export const titleOf = (column: string): string => COLUMNS[column]?.title ?? column
export const kindOf = (column: string): Kind => COLUMNS[column]?.kind ?? 'text'

export function wordOf(column: string, value: Value): string {
  const text = value === null ? '' : String(value)
  return COLUMNS[column]?.words?.[text] ?? (text || 'none')
}

export function numberOf(column: string, value: number): string {
  return column === 'sizeBytes' ? size(value) : figure(Number(value.toPrecision(3)))
}

/** The orders that the page offers; the first is how a version stores its images. */
export const ORDERS: readonly (readonly [order: string, words: string])[] = [
  ['digest', 'as stored'],
  ['-blur', 'blurry first'],
  ['blur', 'sharp first'],
  ['brightness', 'dark first'],
  ['-brightness', 'bright first'],
  ['contrast', 'flat first'],
  ['entropy', 'least information first'],
  ['-sizeBytes', 'largest file first'],
  ['label', 'by class'],
  ['source', 'by source'],
]

/** What an image is ordered by, where that is a measure. */
export function measureOf(row: Row, order: string): string | null {
  const column = order.replace(/^-/, '')
  const value = (row as unknown as Readonly<Record<string, unknown>>)[column]
  return typeof value === 'number' ? numberOf(column, value) : null
}
