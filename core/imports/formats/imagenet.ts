/**
 * The layout of ImageNet: a folder per split (`train`, `val`, `test`), in it a folder per class, whatever lies above.
 * Where the Kaggle lists lie beside it, synsets get the first of their names, and the flat `val` its classes.
 */
import type { Annotation, Source } from '../arrivals.ts'
import { MAX_CLASSES, MAX_SET_FILE_BYTES } from './bounds.ts'
import { Book } from './book.ts'
import { baseName, splitFolder, withoutExtension } from './paths.ts'
import { annotatedImages, sideFiles, type OpenOptions, type Place, type Said } from './place.ts'
import { linesOf } from './text.ts'
import { nameOf } from './values.ts'

const NAMES = 'LOC_synset_mapping.txt'
const SOLUTION = 'LOC_val_solution.csv'

export async function openImageNet(place: Place, options: OpenOptions): Promise<Source> {
  const book = new Book()
  const isSide = (path: string): boolean =>
    [NAMES, SOLUTION].includes(baseName(path)) || /\.(xml|txt|csv|json|md)$/i.test(path)
  const isRead = (path: string): boolean => [NAMES, SOLUTION].includes(baseName(path))
  const names = new Map<string, string>()
  const classOf = new Map<string, string>()
  for await (const { path, bytes } of sideFiles(
    place,
    (name) => (isRead(name) ? MAX_SET_FILE_BYTES : 0),
    book,
    options,
  ))
    for (const { text } of linesOf(bytes, 100_000)) {
      if (baseName(path) === NAMES) readName(text, names)
      else if (text !== null && classOf.size < 10 * MAX_CLASSES)
        classOf.set(text.split(',', 1)[0]!, text.split(/[\s,]/, 2)[1] ?? '')
    }
  const unique = uniqueNames(names)
  return annotatedImages(place, {
    book,
    isSide,
    annotationOf: ({ path }) =>
      classOfFolder(
        path,
        book,
        (folder) => unique.get(folder) ?? folder,
        classOf.get(withoutExtension(baseName(path))),
      ),
  })
}

/** `n01440764 tench, Tinca tinca` */
function readName(text: string | null, names: Map<string, string>): void {
  const [, synset, name] = /^(\S+)\s+([^,]+)/.exec(text ?? '') ?? []
  if (synset !== undefined && name !== undefined && names.size < MAX_CLASSES) names.set(synset, name.trim())
}

/** Two synsets are called "crane": a name that several share names none. */
function uniqueNames(names: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const uses = new Map<string, number>()
  for (const name of names.values()) uses.set(name, (uses.get(name) ?? 0) + 1)
  return new Map([...names].filter(([, name]) => uses.get(name) === 1))
}

/**
 * What the folders of an image say: `…/train/cat/7.jpg` is a cat for training. Without a folder of a split, the folder
 * that holds the image is its class.
 *
 * @param listed - the class of an image that lies in no folder of a class.
 */
export function classOfFolder(
  path: string,
  book: Book,
  called = (folder: string): string => folder,
  listed?: string,
): Said {
  const split = splitFolder(path)
  const folders = path.split('/').slice(0, -1)
  const folder = (split ? folders[split.index + 1] : folders.at(-1)) ?? listed
  const label = folder === undefined ? null : nameOf(called(folder))
  if (folder === undefined) book.notes.add('an image lies in no folder of a class and has no label', path)
  else if (label === null) book.notes.add('the name of a folder cannot be that of a class', path)
  else book.schema.label(label)
  const annotation: Annotation = { ...(label !== null && { label }), ...(split && { split: split.split }) }
  return { annotation }
}
