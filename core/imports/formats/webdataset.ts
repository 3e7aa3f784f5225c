/**
 * WebDataset (github.com/webdataset): tar files in which neighbours of the same name up to the first dot are one sample.
 * Its image is the first file of the sample that has an image's extension; `.cls` and `.json` say what it shows, `.txt`
 * becomes the attribute `text`. Read in one pass, however many shards there are.
 */
import { stat } from 'node:fs/promises'
import path from 'node:path'
import { PlatformError } from '#core/errors'
import { arrived, MAX_FILE_BYTES, type Annotation, type Arrival, type Source } from '../arrivals.ts'
import { openSource } from '../source.ts'
import { MAX_RECORD_BYTES, MAX_TEXT } from './bounds.ts'
import { Book } from './book.ts'
import { listFiles } from './listing.ts'
import { baseName, folderOf, isNamedLikeImage, joined, splitOfFile } from './paths.ts'
import { sourceOf, type OpenOptions, type Place } from './place.ts'
import { annotationOfRow, columnsOf, jsonOf } from './rows.ts'
import { linesOf, textOf } from './text.ts'
import { isRecord, nameOf } from './values.ts'

/** @throws {PlatformError} `DATASET_SOURCE_UNREADABLE` when there is no tar file. */
export async function openWebDataset(place: Place, { signal }: OpenOptions): Promise<Source> {
  const { shards, classes } = await shardsOf(place.source)
  const book = new Book()
  async function* files(): AsyncIterable<Arrival> {
    for (const shard of shards)
      for await (const sample of samplesOf(shard.file, book)) {
        signal?.throwIfAborted()
        yield* imagesOf(sample, shard.name, { book, classes })
      }
  }
  return sourceOf(book, files())
}

interface Shard {
  readonly file: string
  readonly name: string
}

async function shardsOf(source: string): Promise<{ shards: readonly Shard[]; classes: readonly string[] }> {
  if (source.startsWith('s3://')) throw unreadable(source, 'shards in a bucket are not read; copy them to a folder')
  if ((await stat(source)).isFile()) return { shards: [{ file: source, name: path.basename(source) }], classes: [] }
  const names = await listFiles(source, isShard)
  if (names.length === 0) throw unreadable(source, 'holds no tar file')
  const shards = names.map((name) => ({ name, file: path.join(source, name) }))
  return { shards, classes: await listedClasses(source) }
}

export function isShard(name: string): boolean {
  return /\.(tar|tar\.gz|tgz)$/i.test(name)
}

/** `classes.txt` beside the shards names what the numbers of `.cls` stand for. */
async function listedClasses(folder: string): Promise<readonly string[]> {
  for await (const { read } of (await openSource(folder, (name) => (name === 'classes.txt' ? MAX_RECORD_BYTES : 0)))
    .files)
    return [...linesOf(await read(), 10_000)].map(({ text }) => text ?? '')
  return []
}

interface Part {
  readonly extension: string
  readonly arrival: Arrival
}

interface Sample {
  readonly key: string
  readonly parts: readonly Part[]
}

/** Parts of one sample that are looked at: an image, what is said of it, and a few that are passed over. */
const MAX_PARTS = 64
/** All of them lie in memory together. */
const MAX_SAMPLE_BYTES = MAX_FILE_BYTES + MAX_PARTS * MAX_RECORD_BYTES

async function* samplesOf(file: string, { notes }: Book): AsyncIterable<Sample> {
  let key: string | null = null
  let parts: Part[] = []
  let held = 0
  const take = (name: string): number => (isNamedLikeImage(name) ? MAX_FILE_BYTES : isSaid(name) ? MAX_RECORD_BYTES : 1)
  for await (const arrival of (await openSource(file, take)).files) {
    const name = baseName(arrival.path)
    const dot = name.indexOf('.')
    const stem = joined(folderOf(arrival.path), dot < 0 ? name : name.slice(0, dot))
    if (stem !== key && key !== null) {
      yield { key, parts }
      parts = []
      held = 0
    }
    key = stem
    held += arrival.sizeBytes
    if (parts.length >= MAX_PARTS || held > MAX_SAMPLE_BYTES)
      notes.add('a sample is too large, and was cut', arrival.path)
    else parts.push({ extension: dot < 0 ? '' : name.slice(dot + 1).toLowerCase(), arrival })
  }
  if (key !== null) yield { key, parts }
}

function isSaid(name: string): boolean {
  return /\.(cls|json|txt|text)$/i.test(name)
}

interface Context {
  readonly book: Book
  readonly classes: readonly string[]
}

async function* imagesOf({ parts }: Sample, shard: string, context: Context): AsyncIterable<Arrival> {
  const { notes } = context.book
  const images = parts.filter(({ arrival }) => isNamedLikeImage(arrival.path))
  const where = `${shard}/${parts[0]!.arrival.path}`
  if (images.length === 0) return notes.add('a sample holds no image', where)
  const annotation = await annotationOf(parts, where, splitOfFile(shard), context)
  context.book.describe(annotation)
  if (images.length > 1) notes.add('a sample holds several images; all have the same annotation', where)
  for (const { arrival } of images) {
    const bytes = await arrival.read().catch(() => null)
    yield { ...(bytes ? arrived(joined(shard, arrival.path), bytes) : arrival), annotation }
  }
}

async function annotationOf(
  parts: readonly Part[],
  where: string,
  split: Annotation['split'],
  { book, classes }: Context,
): Promise<Annotation> {
  let said: Annotation = split ? { split } : {}
  for (const { extension, arrival } of parts) {
    if (isNamedLikeImage(arrival.path)) continue
    const last = extension.slice(extension.lastIndexOf('.') + 1)
    const text = isSaid(arrival.path) ? textOf(await arrival.read()).trim() : ''
    if (last === 'json') said = { ...said, ...fromJson(text, where, book, split) }
    else if (last === 'cls') {
      const label = nameOf(classes[Number(text)] ?? text)
      if (label !== null && said.label === undefined) said = { label, ...said }
    } else if (isSaid(arrival.path))
      said = { ...said, attributes: { text: text.slice(0, MAX_TEXT), ...said.attributes } }
    else book.notes.add(`files .${last.slice(0, 20)} of samples are not read`, where)
  }
  return said
}

function fromJson(text: string, where: string, { notes }: Book, split: Annotation['split']): Annotation {
  const row = jsonOf(text)
  if (isRecord(row)) return annotationOfRow(row, columnsOf(Object.keys(row)), { notes, where, ...(split && { split }) })
  notes.add('the JSON of a sample is no object', where)
  return {}
}

function unreadable(source: string, trouble: string): PlatformError {
  return new PlatformError('DATASET_SOURCE_UNREADABLE', `${source} ${trouble}`, { source })
}
