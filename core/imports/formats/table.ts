/** Tables with a row per image, or per box of one: CSV with a header, and JSON lines. */
import { CsvError, type Options } from 'csv-parse'
import { parse } from 'csv-parse/sync'
import { PlatformError } from '#core/errors'
import type { Source } from '../arrivals.ts'
import { MAX_RECORD_BYTES, MAX_SET_FILE_BYTES } from './bounds.ts'
import { Book } from './book.ts'
import { extensionOf, folderOf, isNamedLikeImage, resolved, splitFolder } from './paths.ts'
import { annotatedImages, sideFiles, type OpenOptions, type Place, type SideFile } from './place.ts'
import { annotationOfRow, columnsOf, jsonOf, type Columns, type Fields } from './rows.ts'
import { linesOf, textOf } from './text.ts'
import { isRecord } from './values.ts'

/** @throws {PlatformError} `DATASET_SOURCE_UNREADABLE` when no table of the source names images. */
export async function openTable(kind: 'csv' | 'jsonl', place: Place, options: OpenOptions): Promise<Source> {
  const book = new Book()
  const isSide = (path: string): boolean => isTable(kind, path)
  let tables = 0
  for await (const file of sideFiles(place, (path) => (isSide(path) ? MAX_SET_FILE_BYTES : 0), book, options))
    if (readTable(kind, file, book)) tables++
  if (tables === 0)
    throw new PlatformError(
      'DATASET_SOURCE_UNREADABLE',
      `${place.source} holds no ${kind === 'csv' ? 'CSV file' : 'file of JSON lines'} with a column of image paths; call it path, file_name or image`,
    )
  return annotatedImages(place, { book, isSide })
}

const extensions = { csv: ['csv', 'tsv'], jsonl: ['jsonl', 'ndjson'] } as const

export function isTable(kind: 'csv' | 'jsonl', path: string): boolean {
  return (extensions[kind] as readonly string[]).includes(extensionOf(path))
}

/** @returns false, with a note, where no column names images. */
export function readTable(kind: 'csv' | 'jsonl', file: SideFile, book: Book): boolean {
  let columns: Columns | null = null
  const folder = folderOf(file.path)
  for (const { header, row } of kind === 'csv' ? csvRows(file, book) : jsonRows(file, book)) {
    columns = header ? columnsOf(header) : columns
    if (!columns || !row) continue
    const key = columns.path ?? columns.image
    const name = key === null ? undefined : row[key]
    if (key === null) break
    if (typeof name !== 'string' && typeof name !== 'number') book.notes.add('a row names no image', file.path)
    else {
      const split = splitFolder(resolved(folder, String(name)))?.split
      const context = { notes: book.notes, where: file.path, ...(split && { split }) }
      book.add(String(name), file.path, annotationOfRow(row, columns, context))
    }
  }
  const named = columns !== null && (columns.path ?? columns.image) !== null
  if (!named) book.notes.add('a table has no column of image paths and was left out', file.path)
  return named
}

interface TableStep {
  /** Names of the columns, where they change. */
  readonly header?: readonly string[]
  readonly row?: Fields
}

const MAX_COLUMNS = 1_000

/** Rows are parsed in pieces of this many bytes, so that a long table is never whole in memory as rows. */
const PIECE_BYTES = 1024 * 1024

function* csvRows({ path, bytes }: SideFile, { notes }: Book): Iterable<TableStep> {
  const text = textOf(bytes)
  const delimiter = delimiterOf(text)
  let header: readonly string[] | null = null
  for (const records of csvPieces(text, delimiter)) {
    if (records === null) {
      notes.add('the rest of a table cannot be read as CSV', path)
      return
    }
    for (const cells of records) {
      if (!header) {
        const bare = cells.length > 0 && isNamedLikeImage(cells[0]!)
        header = bare ? ['path', 'label'].slice(0, cells.length) : cells
        if (header.length > MAX_COLUMNS)
          return notes.add(`a table of more than ${MAX_COLUMNS} columns was left out`, path)
        yield { header }
        if (!bare) continue
      }
      yield { row: Object.fromEntries(header.map((name, i) => [name, cells[i] ?? ''])) }
    }
  }
}

/** Records of one piece after the other; null where what follows is no CSV. */
function* csvPieces(text: string, delimiter: string): Iterable<readonly string[][] | null> {
  const options: Options = {
    delimiter,
    bom: true,
    relax_column_count: true,
    skip_empty_lines: true,
    max_record_size: MAX_RECORD_BYTES,
  }
  for (let from = 0; from < text.length;) {
    const end = endOfPiece(text, from)
    try {
      yield parse(text.slice(from, end), options)
    } catch (error) {
      if (!(error instanceof CsvError)) throw error
      return yield null
    }
    from = end
  }
}

/** A piece ends behind a line end that lies in no quoted cell: behind an even number of quotes. */
function endOfPiece(text: string, from: number): number {
  let quoted = false
  for (let at = from; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === 0x22) quoted = !quoted
    else if (code === 0x0a && !quoted && at - from >= PIECE_BYTES) return at + 1
  }
  return text.length
}

/** Of tab, semicolon and comma the one that the first line has most of. */
function delimiterOf(text: string): string {
  const line = text.slice(0, 10_000).split('\n', 1)[0]!
  const count = (mark: string): number => line.split(mark).length
  return ['\t', ';'].reduce((best, mark) => (count(mark) > count(best) ? mark : best), ',')
}

function* jsonRows({ path, bytes }: SideFile, { notes }: Book): Iterable<TableStep> {
  let known = ''
  for (const { number, text } of linesOf(bytes, MAX_RECORD_BYTES)) {
    const row = text === null ? undefined : jsonOf(text)
    if (!isRecord(row)) {
      notes.add('a line is no JSON object', `${path}:${number}`)
      continue
    }
    const header = Object.keys(row)
    const key = header.join('\0')
    yield key === known ? { row } : { header, row }
    known = key
  }
}
