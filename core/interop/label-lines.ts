/** Labels for programs and tables: a line an image, as CSV and as JSON. */
import { stringify } from 'csv-stringify/sync'
import type { LabelledImage, LabelledSet } from './export-labels.ts'

const COLUMNS = [
  'digest',
  'source',
  'label',
  'tags',
  'origin',
  'human_seen',
  'excluded',
  'annotators',
  'at',
  'boxes',
] as const

/** Lists are JSON in their cells. */
export async function* csvText({ images }: LabelledSet): AsyncIterable<string> {
  yield stringify([COLUMNS])
  for await (const image of images()) yield stringify([COLUMNS.map((column) => cellOf(fieldsOf(image)[column]))])
}

export async function* jsonLines({ images }: LabelledSet): AsyncIterable<string> {
  for await (const image of images()) yield `${JSON.stringify(fieldsOf(image))}\n`
}

function fieldsOf(image: LabelledImage): Record<(typeof COLUMNS)[number], unknown> {
  const { digest, source, label, tags = null, origin, humanSeen, excluded, annotators, at, boxes } = image
  return { digest, source, label, tags, origin, human_seen: humanSeen, excluded, annotators, at, boxes }
}

function cellOf(value: unknown): string | null {
  if (value === null || (Array.isArray(value) && value.length === 0)) return null
  return typeof value === 'string' ? value : JSON.stringify(value)
}
