/**
 * COCO (cocodataset.org/#format-data): JSON files with `images`, `annotations` and `categories`. An annotation with a
 * `bbox` is a box, one without is what the whole image shows: its label, or its tags where there are several or the
 * category's `supercategory` is `tag`. Several files may speak of the same images (`instances_train`, `labels_train`).
 */
import { PlatformError } from '#core/errors'
import type { Split } from '#core/datasets'
import type { Annotation, Source } from '../arrivals.ts'
import {
  MAX_ANNOTATED,
  MAX_BOXES,
  MAX_BOXES_OF_IMAGE,
  MAX_CLASSES,
  MAX_SET_FILE_BYTES,
  MAX_TAGS_OF_IMAGE,
} from './bounds.ts'
import { Book } from './book.ts'
import { NotJson, readJson } from './json-records.ts'
import { extensionOf, splitOfFile } from './paths.ts'
import { annotatedImages, sideFiles, type OpenOptions, type Place, type SideFile } from './place.ts'
import { attributesOf, boxOf, isRecord, nameOf, numberOf, type Attributes, type DraftBox } from './values.ts'

/** @throws {PlatformError} `DATASET_SOURCE_UNREADABLE` when the source holds no such file. */
export async function openCoco(place: Place, options: OpenOptions): Promise<Source> {
  const book = new Book()
  const isSide = (path: string): boolean => extensionOf(path) === 'json'
  let files = 0
  for await (const file of sideFiles(place, (path) => (isSide(path) ? MAX_SET_FILE_BYTES : 0), book, options))
    if (readCoco(file, book)) files++
  if (files === 0)
    throw new PlatformError(
      'DATASET_SOURCE_UNREADABLE',
      `${place.source} holds no COCO file: JSON with "images" and "annotations"`,
    )
  return annotatedImages(place, { book, isSide })
}

type Id = string | number

interface Category {
  readonly name: string
  readonly isTag: boolean
}

interface CocoImage {
  readonly name: string
  readonly attributes: Attributes
  readonly split: Split | undefined
}

interface Mark {
  readonly category: Id
  readonly box: readonly unknown[] | null
  readonly attributes: Attributes
}

interface CocoFile {
  readonly images: Map<Id, CocoImage>
  readonly categories: Map<Id, Category>
  readonly marks: Map<Id, Mark[]>
  marked: number
  /** Whether the file speaks of boxes at all: then an image without any is one on which nothing is. */
  hasBoxes: boolean
}

/** @returns false, with a note, where the file is none of COCO. */
export function readCoco({ path, bytes }: SideFile, book: Book): boolean {
  const file: CocoFile = { images: new Map(), categories: new Map(), marks: new Map(), marked: 0, hasBoxes: false }
  try {
    readJson(bytes, {
      record: ({ key, value, element }) => {
        if (element && isRecord(value)) takeRecord(key, value, file, book, path)
      },
      leftOut: (reason, at) => book.notes.add(`${reason} was left out`, `${path}, byte ${at}`),
    })
  } catch (error) {
    if (!(error instanceof NotJson)) throw error
    book.notes.add('a file is no whole JSON and was read as far as it goes', path)
  }
  if (file.images.size === 0) {
    book.notes.add('a JSON file lists no images and was left out', path)
    return false
  }
  enter(file, book, path)
  return true
}

function takeRecord(
  key: string | null,
  value: Readonly<Record<string, unknown>>,
  file: CocoFile,
  book: Book,
  path: string,
): void {
  const where = { notes: book.notes, where: path }
  const id = idOf(key === 'annotations' ? value.image_id : value.id)
  if (key === 'categories' && id !== null) {
    const name = nameOf(value.name)
    if (name !== null && file.categories.size < MAX_CLASSES)
      file.categories.set(id, { name, isTag: value.supercategory === 'tag' })
    if (Array.isArray(value.keypoints)) book.notes.add('keypoints are not read', path)
  } else if (key === 'images' && id !== null && typeof value.file_name === 'string') {
    if (file.images.size >= MAX_ANNOTATED) throw tooMany('images', MAX_ANNOTATED)
    const attributes = isRecord(value.attributes) ? attributesOf(Object.entries(value.attributes), where) : {}
    file.images.set(id, { name: value.file_name, attributes, split: splitOfFile(path) })
  } else if (key === 'annotations' && id !== null) {
    if (++file.marked > MAX_BOXES) throw tooMany('annotations', MAX_BOXES)
    const mark = markOf(value, where)
    if (!mark) return
    if (mark.box) file.hasBoxes = true
    const marks = file.marks.get(id)
    if (marks) marks.push(mark)
    else file.marks.set(id, [mark])
  } else if (key === 'images' || key === 'annotations')
    book.notes.add(`an element of "${key}" has no usable id or name`, path)
}

function markOf(value: Readonly<Record<string, unknown>>, where: Parameters<typeof attributesOf>[1]): Mark | null {
  const { notes, where: path } = where
  if (typeof value.caption === 'string' && value.category_id === undefined) {
    notes.add('captions are not read', path)
    return null
  }
  if (value.segments_info !== undefined) {
    notes.add('panoptic segments are not read', path)
    return null
  }
  const category = idOf(value.category_id)
  if (category === null) {
    notes.add('an annotation has no category', path)
    return null
  }
  const outlined = hasContent(value.segmentation)
  if (outlined) notes.add('outlines are not read, only their boxes', path)
  if (value.keypoints !== undefined) notes.add('keypoints are not read', path)
  const box = Array.isArray(value.bbox) ? (value.bbox as unknown[]) : outlined ? boundsOf(value.segmentation) : null
  const own = isRecord(value.attributes) ? Object.entries(value.attributes) : []
  const score = numberOf(value.score)
  const known: (readonly [string, unknown])[] = [
    ...own,
    ...(value.iscrowd === 1 ? [['iscrowd', true] as const] : []),
    ...(score === null ? [] : [['score', score] as const]),
  ]
  return { category, box, attributes: known.length > 0 ? attributesOf(known, where) : {} }
}

function hasContent(segmentation: unknown): boolean {
  return Array.isArray(segmentation) ? segmentation.length > 0 : isRecord(segmentation)
}

/** The box round polygons `[[x, y, x, y, …]]`; null for a mask. */
function boundsOf(segmentation: unknown): readonly number[] | null {
  const numbers = Array.isArray(segmentation) ? segmentation.flat().map(numberOf) : []
  if (numbers.length < 6 || numbers.includes(null)) return null
  let [left, top, right, bottom] = [Infinity, Infinity, -Infinity, -Infinity]
  numbers.forEach((value, i) => {
    if (i % 2 === 0) [left, right] = [Math.min(left, value!), Math.max(right, value!)]
    else [top, bottom] = [Math.min(top, value!), Math.max(bottom, value!)]
  })
  return [left, top, right - left, bottom - top]
}

function idOf(value: unknown): Id | null {
  return typeof value === 'string' || (typeof value === 'number' && Number.isFinite(value)) ? value : null
}

function tooMany(what: string, most: number): PlatformError {
  return new PlatformError(
    'DATASET_SOURCE_UNREADABLE',
    `a COCO file has more than ${most} ${what}; import the set in parts`,
  )
}

function enter(file: CocoFile, book: Book, path: string): void {
  for (const { name, isTag } of file.categories.values()) {
    if (file.hasBoxes) book.schema.box(name)
    else if (isTag) book.schema.tag(name)
    else book.schema.label(name)
  }
  for (const [id, image] of file.images)
    book.add(image.name, path, annotationOf(image, file.marks.get(id) ?? [], file, book, path))
  const strays = [...file.marks.keys()].filter((id) => !file.images.has(id)).length
  if (strays > 0) book.notes.add('annotations of an image that the file does not list were left out', path, strays)
}

function annotationOf(
  { attributes, split }: CocoImage,
  marks: readonly Mark[],
  file: CocoFile,
  book: Book,
  path: string,
): Annotation {
  const where = { notes: book.notes, where: path }
  const boxes: DraftBox[] = []
  const whole: Category[] = []
  for (const { category: id, box, attributes: ofBox } of marks) {
    const category = file.categories.get(id)
    if (!category) book.notes.add('an annotation has a category that the file does not list', path)
    else if (!box) whole.push(category)
    else if (boxes.length < MAX_BOXES_OF_IMAGE) {
      const drawn = boxOf(category.name, box, ofBox, where)
      if (drawn) boxes.push(drawn)
    } else book.notes.add(`boxes beyond the ${MAX_BOXES_OF_IMAGE}th were left out`, path)
  }
  const named = whole.filter(({ isTag }) => !isTag)
  const label = named.length === 1 ? named[0]!.name : undefined
  const tags = [...new Set((label === undefined ? whole : whole.filter(({ isTag }) => isTag)).map(({ name }) => name))]
  return {
    ...(label !== undefined && { label }),
    ...(tags.length > 0 && { tags: tags.slice(0, MAX_TAGS_OF_IMAGE) }),
    ...(file.hasBoxes && { boxes }),
    ...(Object.keys(attributes).length > 0 && { attributes }),
    ...(split && { split }),
  }
}
