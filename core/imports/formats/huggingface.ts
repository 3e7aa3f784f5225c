/**
 * ImageFolder of Hugging Face datasets: `metadata.jsonl` or `metadata.csv` in the root or in the folder of each split,
 * with a column `file_name`; without them, folders of classes in folders of splits.
 */
import type { Source } from '../arrivals.ts'
import { MAX_SET_FILE_BYTES } from './bounds.ts'
import { Book } from './book.ts'
import { classOfFolder } from './imagenet.ts'
import { baseName, extensionOf, splitFolder } from './paths.ts'
import { annotatedImages, sideFiles, type OpenOptions, type Place } from './place.ts'
import { readTable } from './table.ts'

export async function openHuggingFace(place: Place, options: OpenOptions): Promise<Source> {
  const book = new Book()
  let tables = 0
  for await (const file of sideFiles(place, (path) => (isMetadata(path) ? MAX_SET_FILE_BYTES : 0), book, options))
    if (readTable(extensionOf(file.path) === 'jsonl' ? 'jsonl' : 'csv', file, book)) tables++
  const isSide = (path: string): boolean =>
    isMetadata(path) || /(^|\/)(dataset_infos?\.json|README\.md|metadata\.parquet)$/i.test(path)
  return annotatedImages(place, {
    book,
    isSide: (path) => {
      if (baseName(path) === 'metadata.parquet')
        book.notes.add('metadata.parquet is not read; write metadata.jsonl', path)
      return isSide(path)
    },
    annotationOf: ({ path }) => {
      if (tables === 0) return classOfFolder(path, book)
      const said = book.find(path)
      const split = splitFolder(path)?.split
      return { annotation: split && !said?.split ? { ...said, split } : said }
    },
  })
}

export function isMetadata(path: string): boolean {
  return /^metadata\.(jsonl|csv)$/i.test(baseName(path))
}
