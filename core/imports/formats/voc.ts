/**
 * Pascal VOC (host.robots.ox.ac.uk/pascal/VOC): one XML file per image, with the same stem, in the folder `Annotations`
 * or beside it; lists of the splits in `ImageSets`. Corners are taken as the edges of the box, as tools of today write
 * them, not as VOC 2007's pixel numbers from 1.
 */
import { PlatformError } from '#core/errors'
import type { Split } from '#core/datasets'
import type { Annotation, Source } from '../arrivals.ts'
import { MAX_BOXES_OF_IMAGE, MAX_IMAGE_FILE_BYTES } from './bounds.ts'
import { Book } from './book.ts'
import { baseName, extensionOf, folderOf, splitFolder, splitOfWord, withoutExtension } from './paths.ts'
import { annotatedImages, sideFiles, type OpenOptions, type Place } from './place.ts'
import { linesOf, textOf } from './text.ts'
import { attributesOf, boxOf, nameOf, numberOf, type DraftBox } from './values.ts'
import { elementsOf, readXml, textOfElement } from './xml.ts'

/** @throws {PlatformError} `DATASET_SOURCE_UNREADABLE` when the source holds no such file. */
export async function openVoc(place: Place, options: OpenOptions): Promise<Source> {
  const book = new Book()
  const splits = new Map<string, Split>()
  let files = 0
  for await (const { path, bytes } of sideFiles(
    place,
    (name) => (isSide(name) ? MAX_IMAGE_FILE_BYTES : 0),
    book,
    options,
  )) {
    if (extensionOf(path) === 'txt') readImageSet(path, bytes, splits)
    else if (readAnnotation(path, bytes, book)) files++
  }
  if (files === 0)
    throw new PlatformError(
      'DATASET_SOURCE_UNREADABLE',
      `${place.source} holds no Pascal VOC file: XML with an <annotation>`,
    )
  return annotatedImages(place, {
    book,
    isSide: (path) => {
      if (isMask(path)) book.notes.add('segmentation masks are not read', path)
      return isSide(path) || isMask(path) || baseName(path) === 'labelmap.txt'
    },
    annotationOf: ({ path }) => {
      const said = book.find(withoutExtension(path))
      const split = splits.get(withoutExtension(baseName(path))) ?? splitFolder(path)?.split
      return { annotation: split ? { ...said, split } : said }
    },
  })
}

function isSide(path: string): boolean {
  return extensionOf(path) === 'xml' || isImageSet(path)
}

function isMask(path: string): boolean {
  return /(^|\/)Segmentation(Class|Object)[^/]*\//.test(path)
}

function isImageSet(path: string): boolean {
  return /(^|\/)ImageSets\/([^/]+\/)?[^/]+\.txt$/i.test(path)
}

/** `ImageSets/Main/train.txt`: a stem per line. Those of one class (`cat_train.txt`) repeat what the XML says. */
function readImageSet(path: string, bytes: Uint8Array, splits: Map<string, Split>): void {
  const split = splitOfWord(withoutExtension(baseName(path)))
  if (!split) return
  for (const { text } of linesOf(bytes, 1_000)) {
    const [stem] = text?.split(/\s+/) ?? []
    if (stem !== undefined) splits.set(baseName(stem), split)
  }
}

function readAnnotation(path: string, bytes: Uint8Array, book: Book): boolean {
  const [annotation] = elementsOf(readXml(textOf(bytes)), 'annotation')
  if (annotation === undefined) {
    book.notes.add('an XML file is no readable annotation and was left out', path)
    return false
  }
  const where = { notes: book.notes, where: path }
  const objects = elementsOf(annotation, 'object')
  if (objects.length > MAX_BOXES_OF_IMAGE)
    book.notes.add(`boxes beyond the ${MAX_BOXES_OF_IMAGE}th were left out`, path)
  const boxes = objects.slice(0, MAX_BOXES_OF_IMAGE).flatMap((object): DraftBox[] => {
    const [bounds] = elementsOf(object, 'bndbox')
    const [left, top, right, bottom] = ['xmin', 'ymin', 'xmax', 'ymax'].map((name) =>
      numberOf(textOfElement(bounds, name)),
    )
    if (elementsOf(object, 'part').length > 0) book.notes.add('parts of objects are not read', path)
    if (elementsOf(object, 'polygon').length > 0) book.notes.add('outlines are not read, only their boxes', path)
    const corners = [left, top, (right ?? NaN) - (left ?? NaN), (bottom ?? NaN) - (top ?? NaN)]
    const box = boxOf(nameOf(textOfElement(object, 'name')), corners, attributesOf(flagsOf(object), where), where)
    return box ? [box] : []
  })
  if (textOfElement(annotation, 'segmented') === '1') book.notes.add('segmentation masks are not read', path)
  // The stem is what ties an image to its file; the name inside is often that of another machine.
  book.add(withoutExtension(baseName(path)), imageFolder(path), { boxes } satisfies Annotation)
  return true
}

/** The stem is looked for from the folder beside `Annotations`, or from the XML's own. */
function imageFolder(path: string): string {
  return folderOf(path).endsWith('Annotations') ? `${folderOf(folderOf(path))}/` : path
}

function* flagsOf(object: unknown): Iterable<readonly [string, unknown]> {
  for (const name of ['difficult', 'truncated', 'occluded']) {
    const text = textOfElement(object, name)
    if (text === '1' || text === 'true') yield [name, true]
  }
  const pose = textOfElement(object, 'pose')
  if (pose !== null && pose !== 'Unspecified') yield ['pose', pose]
  for (const attribute of elementsOf(elementsOf(object, 'attributes')[0], 'attribute')) {
    const name = textOfElement(attribute, 'name')
    if (name !== null) yield [name, textOfElement(attribute, 'value')]
  }
}
