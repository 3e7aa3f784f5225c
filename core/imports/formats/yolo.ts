/**
 * YOLO, as Ultralytics and Darknet write it. Detection: a text file per image with lines `class x y width height`, the
 * centre and extent as shares of the image; it lies in `labels/…` where the image lies in `images/…`, or beside it.
 * Classes are numbers, named by `data.yaml`, `obj.names` or `classes.txt`. Classification: a folder per class in a
 * folder per split.
 */
import { isPlatformError } from '#core/errors'
import { probeImage } from '#core/images'
import type { Annotation, Arrival, Source } from '../arrivals.ts'
import { MAX_ANNOTATED, MAX_BOXES_OF_IMAGE, MAX_CLASSES, MAX_IMAGE_FILE_BYTES } from './bounds.ts'
import { Book } from './book.ts'
import { classOfFolder } from './imagenet.ts'
import { baseName, extensionOf, isNamedLikeImage, splitFolder, withoutExtension } from './paths.ts'
import { annotatedImages, sideFiles, type OpenOptions, type Place, type Said } from './place.ts'
import { linesOf, textOf } from './text.ts'
import { boxOf, isRecord, nameOf, type DraftBox } from './values.ts'
import { readYaml } from './yaml.ts'

export async function openYolo(place: Place, options: OpenOptions): Promise<Source> {
  const book = new Book()
  const set = { book, names: new Map<number, string>(), marks: new Map<string, Uint8Array>(), read: new Set<string>() }
  for await (const { path, bytes } of sideFiles(
    place,
    (name) => (isSide(name) ? MAX_IMAGE_FILE_BYTES : 0),
    book,
    options,
  ))
    if (!isMarks(path)) readNames(path, bytes, set)
    else if (set.marks.size < MAX_ANNOTATED) set.marks.set(withoutExtension(path), bytes.slice())
    else book.notes.add(`files of boxes beyond the ${MAX_ANNOTATED}th were left out`, path)
  if (set.marks.size === 0)
    return annotatedImages(place, { book, isSide, annotationOf: ({ path }) => classOfFolder(path, book) })
  for (const name of set.names.values()) book.schema.box(name)
  const source = await annotatedImages(place, { book, isSide, annotationOf: (arrival) => boxesOf(arrival, set) })
  return countingStrays(source, set)
}

interface YoloSet {
  readonly book: Book
  readonly names: Map<number, string>
  /** The bytes of a file of boxes by its path without extension. */
  readonly marks: Map<string, Uint8Array>
  /** Those that met their image. */
  readonly read: Set<string>
}

function isSide(path: string): boolean {
  return isNames(path) || extensionOf(path) === 'txt' || extensionOf(path) === 'cache' || baseName(path) === 'obj.data'
}

function isNames(path: string): boolean {
  return ['yaml', 'yml', 'names'].includes(extensionOf(path)) || baseName(path) === 'classes.txt'
}

/** Lists of images (`train.txt`) and remarks are text files, too. */
function isMarks(path: string): boolean {
  return (
    extensionOf(path) === 'txt' &&
    !isNames(path) &&
    !/^(train|val|valid|test|readme.*|license.*|notes)\.txt$/i.test(baseName(path))
  )
}

export function isListOfYolo(path: string): boolean {
  return baseName(path) === 'obj.names' || baseName(path) === 'data.yaml' || baseName(path) === 'dataset.yaml'
}

function readNames(path: string, bytes: Uint8Array, { book, names }: YoloSet): void {
  const put = (number: number, value: unknown): void => {
    const name = nameOf(value)
    if (name === null || !Number.isInteger(number) || number < 0)
      book.notes.add('a class without a usable name was left out', path)
    else if (names.size < MAX_CLASSES && !names.has(number)) names.set(number, name)
  }
  if (extensionOf(path) === 'names' || baseName(path) === 'classes.txt') {
    let number = 0
    for (const { text } of linesOf(bytes, 10_000)) put(number++, text)
  } else if (['yaml', 'yml'].includes(extensionOf(path))) {
    const yaml = readYaml(textOf(bytes))
    const listed = isRecord(yaml) ? yaml.names : undefined
    if (Array.isArray(listed)) listed.forEach((name, i) => put(i, name))
    else if (isRecord(listed)) for (const [number, name] of Object.entries(listed)) put(Number(number), name)
    else book.notes.add('a YAML file names no classes and was left out', path)
    if (isRecord(yaml) && yaml.kpt_shape !== undefined) book.notes.add('keypoints are not read', path)
  }
}

/** The boxes of an image: its size is needed to tell them in pixels. */
async function boxesOf(arrival: Arrival, set: YoloSet): Promise<Said> {
  const split = splitFolder(arrival.path)?.split
  const place = placesOf(withoutExtension(arrival.path)).find((stem) => set.marks.has(stem))
  const annotation: Annotation = split ? { split } : {}
  if (place === undefined) return { annotation }
  set.read.add(place)
  try {
    const bytes = await arrival.read()
    const { width, height } = await probeImage(bytes)
    const boxes = [...drawn(`${place}.txt`, set, { width, height })]
    for (const box of boxes) set.book.schema.box(box.class)
    return { annotation: { ...annotation, boxes }, arrival: { ...arrival, read: () => Promise.resolve(bytes) } }
  } catch (error) {
    if (!isPlatformError(error) || !error.code.startsWith('IMAGE_')) throw error
    return { annotation } // The import refuses the image with this very reason.
  }
}

/** Where the boxes of `a/images/b/c` may lie. */
function placesOf(stem: string): readonly string[] {
  const segments = stem.split('/')
  const at = segments.lastIndexOf('images', segments.length - 2)
  if (at < 0) return [stem]
  return [[...segments.slice(0, at), 'labels', ...segments.slice(at + 1)].join('/'), stem]
}

interface Size {
  readonly width: number
  readonly height: number
}

function* drawn(path: string, { book, names, marks }: YoloSet, size: Size): Iterable<DraftBox> {
  const where = { notes: book.notes, where: path }
  let count = 0
  for (const { text } of linesOf(marks.get(withoutExtension(path))!, 100_000)) {
    const [number, ...values] = (text ?? '').split(/\s+/).map(Number)
    const shares = sharesOf(values, book, path)
    if (!shares || number === undefined || !Number.isInteger(number) || number < 0) {
      book.notes.add('a line is no box', path)
      continue
    }
    if (++count > MAX_BOXES_OF_IMAGE)
      return book.notes.add(`boxes beyond the ${MAX_BOXES_OF_IMAGE}th were left out`, path)
    if (!names.has(number)) book.notes.add('a class has no name and is called by its number', path)
    const [x, y, width, height] = shares
    const corners = [
      (x - width / 2) * size.width,
      (y - height / 2) * size.height,
      width * size.width,
      height * size.height,
    ]
    const box = boxOf(names.get(number) ?? String(number), corners.map(rounded), {}, where)
    if (box) yield box
  }
}

type Shares = readonly [number, number, number, number]

/** Centre and extent; of an outline `x y x y x y …` that of its bounds. */
function sharesOf(values: readonly number[], { notes }: Book, path: string): Shares | null {
  if (values.length < 4 || !values.every(Number.isFinite)) return null
  if (values.length === 5) notes.add('the confidence of a box is not read', path)
  if (values.length <= 5) return [values[0]!, values[1]!, values[2]!, values[3]!]
  if (values.length % 2 === 1) return null
  notes.add('outlines are not read, only their boxes', path)
  const xs = values.filter((_, i) => i % 2 === 0)
  const ys = values.filter((_, i) => i % 2 === 1)
  const ends = (list: readonly number[]): [number, number] =>
    list.reduce<[number, number]>(
      ([least, most], value) => [Math.min(least, value), Math.max(most, value)],
      [Infinity, -Infinity],
    )
  const [[left, right], [top, bottom]] = [ends(xs), ends(ys)]
  return [(left + right) / 2, (top + bottom) / 2, right - left, bottom - top]
}

/** Shares with six digits, as they are written, tell a thousandth of a pixel at best. */
function rounded(pixels: number): number {
  return Math.round(pixels * 1_000) / 1_000
}

function countingStrays(source: Source, { book, marks, read }: YoloSet): Source {
  async function* files(): AsyncIterable<Arrival> {
    yield* source.files
    for (const stem of marks.keys()) if (!read.has(stem)) book.notes.add('a file of boxes has no image', `${stem}.txt`)
  }
  return Object.defineProperties({ files: files() } as Source, {
    notes: { enumerable: true, get: () => source.notes },
    schema: { enumerable: true, get: () => source.schema },
    ...(source.total !== undefined && { total: { enumerable: true, value: source.total } }),
  })
}

/** Whether a text looks like a file of boxes: numbers alone, a whole one first. */
export function startsLikeMarks(start: string): boolean {
  return /^\d+(\s+-?[\d.]+(e-?\d+)?){4,}\s*(\n|$)/i.test(start)
}

/** Whether the tree is one that pairs images with texts. */
export function pairsWithImage(path: string): boolean {
  return isMarks(path) && !isNamedLikeImage(path)
}
