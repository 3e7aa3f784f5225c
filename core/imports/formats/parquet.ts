/**
 * Parquet with the bytes of image files in a column, as Hugging Face writes it (`image: {bytes, path}`) or as plain
 * bytes. Other columns are those of a table; numbers of classes get their names from the features in the metadata.
 */
import { stat } from 'node:fs/promises'
import path from 'node:path'
import { PlatformError } from '#core/errors'
import { openForeignParquet, type ForeignColumn, type ForeignParquet } from '#core/tables'
import { arrived, MAX_FILE_BYTES, refused, type Arrival, type Source } from '../arrivals.ts'
import { Book } from './book.ts'
import { listFiles } from './listing.ts'
import { extensionOf, joined, splitOfFile } from './paths.ts'
import { sourceOf, type OpenOptions, type Place } from './place.ts'
import { annotationOfRow, columnsOf, jsonOf, type Fields } from './rows.ts'
import { isRecord } from './values.ts'

/** @throws {PlatformError} `DATASET_SOURCE_UNREADABLE` when no file has a column of images. */
export async function openParquet({ source }: Place, { signal }: OpenOptions): Promise<Source> {
  const tables = await tablesOf(source)
  const book = new Book()
  async function* files(): AsyncIterable<Arrival> {
    for (const { file, name } of tables)
      for await (const arrival of imagesOf(file, name, book)) {
        signal?.throwIfAborted()
        yield arrival
      }
  }
  return sourceOf(book, files(), await rowsIn(tables))
}

interface TableFile {
  readonly file: string
  /** From the source. */
  readonly name: string
}

async function tablesOf(source: string): Promise<readonly TableFile[]> {
  const trouble = source.startsWith('s3://')
    ? 'lies in a bucket, where Parquet is not read; copy it to a folder'
    : (await stat(source)).isFile()
      ? null
      : 'holds no Parquet file'
  if (trouble === null) return [{ file: path.resolve(source), name: path.basename(source) }]
  const names = source.startsWith('s3://') ? [] : await listFiles(source, (name) => extensionOf(name) === 'parquet')
  if (names.length === 0) throw new PlatformError('DATASET_SOURCE_UNREADABLE', `${source} ${trouble}`, { source })
  return names.map((name) => ({ name, file: path.resolve(source, name) }))
}

/** Also finds out at once, before anything is imported, which file cannot be read. */
async function rowsIn(tables: readonly TableFile[]): Promise<number> {
  let rows = 0
  for (const { file } of tables) {
    const table = await openForeignParquet(file)
    table.close()
    imageColumn(table, file)
    rows += table.rows
  }
  return rows
}

interface ImageColumn {
  readonly name: string
  /** SQL of the bytes and of the path. */
  readonly bytes: string
  readonly path: string
}

/** `image`, else the first column of bytes. */
function imageColumn({ columns }: ForeignParquet, file: string): ImageColumn {
  const able = columns.filter(({ type }) => type === 'BLOB' || /^STRUCT\(.*\bbytes BLOB/.test(type))
  const column = able.find(({ name }) => /^(image|img|png|jpg|jpeg|webp)$/i.test(name)) ?? able[0]
  if (!column)
    throw new PlatformError('DATASET_SOURCE_UNREADABLE', `${file} has no column with the bytes of image files`, {
      file,
    })
  const name = `"${column.name.replaceAll('"', '""')}"`
  if (column.type === 'BLOB') return { name: column.name, bytes: name, path: 'NULL' }
  const named = /\bpath VARCHAR/.test(column.type)
  return { name: column.name, bytes: `${name}.bytes`, path: named ? `${name}.path` : 'NULL' }
}

interface Row extends Fields {
  readonly ' bytes': Uint8Array | null
  readonly ' size': number | null
  readonly ' path': string | null
}

async function* imagesOf(file: string, name: string, book: Book): AsyncIterable<Arrival> {
  const table = await openForeignParquet(file)
  try {
    const image = imageColumn(table, file)
    const others = table.columns.filter((column) => column.name !== image.name && isReadable(column, name, book))
    const columns = columnsOf(others.map((column) => column.name))
    const split = splitOfFile(name)
    const context = {
      notes: book.notes,
      where: name,
      classNames: classNamesOf(table.metadata.get('huggingface')),
      ...(split && { split }),
    }
    const select = {
      ' bytes': `CASE WHEN octet_length(${image.bytes}) <= ${MAX_FILE_BYTES} THEN ${image.bytes} END`,
      ' size': `octet_length(${image.bytes})`,
      ' path': image.path,
      ...Object.fromEntries(others.map((column) => [column.name, readingOf(column)])),
    }
    let number = 0
    for await (const row of table.each<Row>(select, weightOf(image, others))) {
      const given =
        (columns.path === null ? null : row[columns.path]) ?? row[' path'] ?? `row-${String(number).padStart(8, '0')}`
      const at = joined(name, String(given))
      number++
      const annotation = annotationOfRow(row, columns, context)
      book.describe(annotation)
      const bytes = row[' bytes']
      yield bytes ? { ...arrived(at, Uint8Array.from(bytes)), annotation } : refused(at, whyNot(row))
    }
  } finally {
    table.close()
  }
}

function whyNot({ ' size': size, ' path': named }: Row): string {
  if (size !== null) return 'has more bytes than an image file may have'
  return named === null ? 'the row holds no bytes' : 'the row names a file beside the table, which is not read'
}

/** SQL: the bytes of a row, of all that can be long. */
function weightOf({ bytes }: ImageColumn, others: readonly ForeignColumn[]): string {
  const texts = others
    .filter(({ type }) => type === 'VARCHAR')
    .map(({ name }) => `strlen("${name.replaceAll('"', '""')}")`)
  return [`octet_length(${bytes})`, ...texts].map((length) => `coalesce(${length}, 0)`).join(' + ')
}

/** A name that begins with a space is ours: columns of strangers that do are passed over. */
function isReadable({ name, type }: ForeignColumn, file: string, { notes }: Book): boolean {
  const readable = !name.startsWith(' ') && !/BLOB/.test(type)
  if (!readable) notes.add('further columns of bytes are not read', `${file}, column ${name}`)
  return readable
}

const flat = /^(VARCHAR|BOOLEAN|TINYINT|SMALLINT|INTEGER|BIGINT|UTINYINT|USMALLINT|UINTEGER|UBIGINT|FLOAT|DOUBLE)$/

/** Lists and structures come as JSON, everything else as text. */
function readingOf({ name, type }: ForeignColumn): string {
  const quoted = `"${name.replaceAll('"', '""')}"`
  if (flat.test(type)) return quoted
  return /[([]/.test(type) ? `CAST(to_json(${quoted}) AS VARCHAR)` : `CAST(${quoted} AS VARCHAR)`
}

/** `{"info": {"features": {"label": {"names": [...], "_type": "ClassLabel"}}}}` of Hugging Face datasets. */
function classNamesOf(metadata: string | undefined): ReadonlyMap<string, readonly string[]> {
  const features = at(at(metadata === undefined ? undefined : jsonOf(metadata), 'info'), 'features')
  const names = new Map<string, readonly string[]>()
  if (!isRecord(features)) return names
  for (const [column, feature] of Object.entries(features)) {
    const inner = at(feature, 'feature') ?? feature
    for (const [key, found] of [
      [column, at(inner, 'names')],
      [`${column}.categories`, at(at(inner, 'categories'), 'names')],
      [`${column}.category`, at(at(inner, 'category'), 'names')],
    ] as const)
      if (Array.isArray(found) && found.every((name) => typeof name === 'string')) names.set(key, found)
  }
  return names
}

function at(value: unknown, key: string): unknown {
  return isRecord(value) && Object.hasOwn(value, key) ? value[key] : undefined
}
