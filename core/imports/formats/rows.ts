/**
 * What one row of a table says of an image: rows of CSV, JSON lines and Parquet, `metadata` of Hugging Face, the `json`
 * of a WebDataset sample. Columns are told by their names, whatever their case; those that mean nothing to us become
 * attributes of the image.
 */
import type { Split } from '#core/datasets'
import type { Annotation } from '../arrivals.ts'
import { MAX_BOXES_OF_IMAGE, MAX_TAGS_OF_IMAGE } from './bounds.ts'
import type { Notes } from './notes.ts'
import { splitOfWord } from './paths.ts'
import { attributesOf, boxOf, isRecord, nameOf, numberOf, type Attributes, type DraftBox } from './values.ts'

export type Fields = Readonly<Record<string, unknown>>

/** The columns of a table by what they mean; each the first of its names that the table has. */
export interface Columns {
  readonly path: string | null
  readonly image: string | null
  readonly label: string | null
  readonly tags: string | null
  readonly split: string | null
  readonly boxes: string | null
  readonly objects: string | null
  readonly attributes: string | null
  /** xmin, ymin, xmax, ymax: the table has a row per box. */
  readonly corners: readonly string[] | null
  /** What is left. */
  readonly others: readonly string[]
}

const names = {
  path: [
    'file_name',
    'filename',
    'path',
    'file',
    'filepath',
    'file_path',
    'image_path',
    'img_path',
    'imageid',
    'image_id',
    'img',
  ],
  image: ['image'],
  label: ['label', 'class', 'category', 'class_name', 'label_name', 'labelname', 'target', 'cls', 'y'],
  tags: ['tags', 'labels', 'classes', 'categories'],
  split: ['split', 'subset', 'partition', 'set', 'fold'],
  boxes: ['boxes'],
  objects: ['objects'],
  attributes: ['attributes'],
} as const

/** Facts that an export writes for readers; an import finds them anew. */
const facts = new Set([
  'digest',
  'sha256',
  'width',
  'height',
  'size_bytes',
  'format',
  'group',
  'source',
  'excluded',
  'origin',
  'human_seen',
  'random_draw',
  '__key__',
  '__url__',
])
const cornerNames = ['xmin', 'ymin', 'xmax', 'ymax']

export function columnsOf(header: readonly string[]): Columns {
  const byName = new Map(header.map((name) => [name.trim().toLowerCase(), name]))
  const taken = new Set<string>()
  const one = (candidates: readonly string[]): string | null => {
    const found = candidates.find((name) => byName.has(name) && !taken.has(name))
    if (found === undefined) return null
    taken.add(found)
    return byName.get(found)!
  }
  const named = {
    path: one(names.path),
    image: one(names.image),
    label: one(names.label),
    tags: one(names.tags),
    split: one(names.split),
    boxes: one(names.boxes),
    objects: one(names.objects),
    attributes: one(names.attributes),
  }
  const corners = cornerNames.every((name) => byName.has(name)) ? cornerNames.map((name) => one([name])!) : null
  const others = [...byName].filter(([name]) => !taken.has(name) && !facts.has(name)).map(([, name]) => name)
  return { ...named, corners, others }
}

export interface RowContext {
  readonly notes: Notes
  /** The file, for notes. */
  readonly where: string
  /** Names of classes that numbers stand for (`ClassLabel` of Hugging Face), by column. */
  readonly classNames?: ReadonlyMap<string, readonly string[]>
  /** Holds where the row names none. */
  readonly split?: Split
}

/** What the row says, but for which image it is. */
export function annotationOfRow(row: Fields, columns: Columns, context: RowContext): Annotation {
  const { notes, where } = context
  const split = columns.split === null ? undefined : splitOfColumn(row[columns.split], context)
  const label =
    columns.label === null || columns.corners ? undefined : labelOf(row[columns.label], columns.label, context)
  const fromTags = columns.tags === null ? undefined : tagsOf(row[columns.tags], columns.tags, context)
  const boxes = boxesOf(row, columns, context)
  const attributes = {
    ...attributesOf(
      columns.others.map((name) => [name, row[name]] as const),
      { notes, where },
    ),
    ...objectOf(columns.attributes === null ? undefined : row[columns.attributes], context),
  }
  const settled = split ?? context.split
  return {
    ...(label != null && { label }),
    ...(fromTags && { tags: fromTags }),
    ...(boxes && { boxes }),
    ...(Object.keys(attributes).length > 0 && { attributes }),
    ...(settled && { split: settled }),
  }
}

function splitOfColumn(value: unknown, { notes, where }: RowContext): Split | undefined {
  if (value === null || value === undefined || value === '') return undefined
  const split = splitOfWord(String(value).trim())
  if (!split) notes.add('a split was neither train, validation nor test, and is drawn as usual', where)
  return split
}

function labelOf(value: unknown, column: string, { notes, where, classNames }: RowContext): string | null {
  if (value === null || value === undefined || value === '') return null
  const name = nameOf(classNames?.get(column)?.[Number(value)] ?? value)
  if (name === null) notes.add(`"${column}" holds something that is no name of a class`, where)
  return name
}

/** A list, the JSON of a list, or names with `|`, `;` or `,` between them. */
function tagsOf(
  value: unknown,
  column: string,
  { notes, where, classNames }: RowContext,
): readonly string[] | undefined {
  if (value === null || value === undefined || value === '') return undefined
  const list = Array.isArray(value) ? (value as unknown[]) : typeof value === 'string' ? listOf(value) : [value]
  const found = list.map((item) => nameOf(classNames?.get(column)?.[Number(item)] ?? item))
  const tags = [...new Set(found.filter((tag) => tag !== null))]
  if (found.includes(null)) notes.add('a tag that is no usable name was left out', where)
  if (tags.length > MAX_TAGS_OF_IMAGE) notes.add(`tags beyond the ${MAX_TAGS_OF_IMAGE}th were left out`, where)
  return tags.slice(0, MAX_TAGS_OF_IMAGE)
}

function listOf(text: string): readonly unknown[] {
  if (text.trimStart().startsWith('[')) {
    const parsed = jsonOf(text)
    if (Array.isArray(parsed)) return parsed
  }
  const separator = ['|', ';', ','].find((mark) => text.includes(mark)) ?? ','
  return text.split(separator).filter((part) => part.trim() !== '')
}

export function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function objectOf(value: unknown, { notes, where }: RowContext): Attributes {
  if (value === null || value === undefined || value === '') return {}
  const object = typeof value === 'string' ? jsonOf(value) : value
  if (isRecord(object)) return attributesOf(Object.entries(object), { notes, where })
  notes.add('"attributes" is no JSON object', where)
  return {}
}

function boxesOf(row: Fields, columns: Columns, context: RowContext): readonly DraftBox[] | undefined {
  if (columns.corners) return cornersOf(row, columns, context)
  const given = columns.boxes === null ? undefined : row[columns.boxes]
  if (given !== null && given !== undefined && given !== '') return ownBoxes(given, context)
  const objects = columns.objects === null ? undefined : row[columns.objects]
  return objects === null || objects === undefined || objects === ''
    ? undefined
    : objectBoxes(objects, columns.objects!, context)
}

/** A row per box; one whose corners are empty says that nothing is on the image. */
function cornersOf(row: Fields, columns: Columns, context: RowContext): readonly DraftBox[] {
  const corners = columns.corners!.map((name) => row[name])
  if (corners.every((value) => value === '' || value === null || value === undefined)) return []
  const [x, y, right, bottom] = corners.map(numberOf)
  const name = columns.label === null ? null : labelOf(row[columns.label], columns.label, context)
  const box = boxOf(name, [x, y, (right ?? NaN) - (x ?? NaN), (bottom ?? NaN) - (y ?? NaN)], {}, context)
  return box ? [box] : []
}

/** `[{class, x, y, width, height, attributes}]`, as our exports write it. */
function ownBoxes(value: unknown, context: RowContext): readonly DraftBox[] | undefined {
  const list = typeof value === 'string' ? jsonOf(value) : value
  if (!Array.isArray(list)) {
    context.notes.add('"boxes" is no list of boxes', context.where)
    return undefined
  }
  return bounded(list as unknown[], context).flatMap((item) => {
    if (!isRecord(item)) return []
    const { x, y, width, height } = item
    const box = boxOf(nameOf(item.class), [x, y, width, height], objectOf(item.attributes, context), context)
    return box ? [box] : []
  })
}

/** `{bbox: [[x, y, width, height]], categories: [0]}`, as Hugging Face writes it. */
function objectBoxes(value: unknown, column: string, context: RowContext): readonly DraftBox[] | undefined {
  const object = typeof value === 'string' ? jsonOf(value) : value
  const corners = isRecord(object) ? object.bbox : undefined
  if (!isRecord(object) || !Array.isArray(corners)) {
    context.notes.add('"objects" holds no bbox', context.where)
    return undefined
  }
  const classes = object.categories ?? object.category ?? object.label ?? object.labels
  const classNames = context.classNames?.get(`${column}.categories`) ?? context.classNames?.get(`${column}.category`)
  return bounded(corners as unknown[], context).flatMap((numbers, i) => {
    const given: unknown = Array.isArray(classes) ? classes[i] : undefined
    const name = nameOf(classNames?.[Number(given)] ?? given)
    const box = boxOf(name, Array.isArray(numbers) ? (numbers as unknown[]) : [], {}, context)
    return box ? [box] : []
  })
}

function bounded(list: readonly unknown[], { notes, where }: RowContext): readonly unknown[] {
  if (list.length > MAX_BOXES_OF_IMAGE) notes.add(`boxes beyond the ${MAX_BOXES_OF_IMAGE}th were left out`, where)
  return list.slice(0, MAX_BOXES_OF_IMAGE)
}
