/**
 * Tells a format by what a source holds. Folders of classes are never taken for labels unasked: a name of a folder is a
 * label only where the format is named.
 */
import { openSource } from '../source.ts'
import { Book } from './book.ts'
import { isMetadata } from './huggingface.ts'
import type { FormatName } from './names.ts'
import { baseName, extensionOf, folderOf, isNamedLikeImage, withoutExtension } from './paths.ts'
import { firstBytes, type Place } from './place.ts'
import { isTable, readTable } from './table.ts'
import { textOf } from './text.ts'
import { isVideo } from './video.ts'
import { isShard } from './webdataset.ts'
import { isListOfYolo, pairsWithImage, startsLikeMarks } from './yolo.ts'

/** How much of a file is looked at. */
const START_BYTES = 64 * 1024
/** Files of one kind that are looked at; sets have all alike. */
const LOOKS = 20

export async function detectFormat({ source, file }: Place): Promise<FormatName> {
  if (file !== null) return formatOfFile(source, await firstBytes(file, START_BYTES))
  return formatOfTree(source)
}

function formatOfFile(name: string, start: Uint8Array): FormatName {
  if (isParquet(start)) return 'parquet'
  if (isVideo(start)) return 'video'
  const text = textOf(start)
  if (isCoco(text)) return 'coco'
  return isTable('jsonl', name) || /^\s*\{/.test(text) ? 'jsonl' : 'csv'
}

export function isParquet(start: Uint8Array): boolean {
  return Buffer.from(start).toString('latin1', 0, 4) === 'PAR1'
}

function isCoco(start: string): boolean {
  return /^\s*\{/.test(start) && /"(images|annotations|categories)"\s*:\s*\[/.test(start)
}

/** What was seen of a tree, by the kind of file that told of it. */
interface Seen {
  readonly formats: Set<FormatName>
  images: number
  shards: number
  looked: Record<string, number>
}

async function formatOfTree(source: string): Promise<FormatName> {
  const seen: Seen = { formats: new Set(), images: 0, shards: 0, looked: {} }
  let former: string | null = null
  const take = (name: string): number => {
    if (isSamplePair(former, name)) seen.formats.add('webdataset')
    former = name
    return startWanted(name, seen)
  }
  for await (const { path, read } of (await openSource(source, take)).files) {
    const start = await read().catch(() => null)
    if (start) judge(path, start, seen)
  }
  return verdict(source, seen)
}

/** Neighbours in a tar with one name and the extensions of a sample. In a folder, tables of Hugging Face are usual. */
function isSamplePair(former: string | null, name: string): boolean {
  if (former === null || withoutExtension(former) !== withoutExtension(name)) return false
  const extensions = [extensionOf(former), extensionOf(name)]
  return extensions.includes('cls') || (extensions.includes('json') && [former, name].some(isNamedLikeImage))
}

/** Counts what its name tells, and gives how much of the file is to be looked at. */
function startWanted(name: string, seen: Seen): number {
  if (isNamedLikeImage(name)) seen.images++
  if (isShard(name)) seen.shards++
  if (isMetadata(name)) seen.formats.add('huggingface')
  if (isListOfYolo(name)) seen.formats.add('yolo')
  const kind = pairsWithImage(name) ? 'txt' : extensionOf(name)
  const looked = (seen.looked[kind] ??= 0)
  if (!['json', 'xml', 'txt', 'parquet', 'csv', 'tsv', 'jsonl', 'ndjson'].includes(kind) || looked >= LOOKS) return 0
  seen.looked[kind] = looked + 1
  return START_BYTES
}

function judge(path: string, start: Uint8Array, { formats }: Seen): void {
  const text = textOf(start)
  const kind = extensionOf(path)
  if (kind === 'parquet' && isParquet(start)) formats.add('parquet')
  else if (kind === 'json' && isCoco(text)) formats.add('coco')
  else if (kind === 'xml' && /<annotation[\s>]/.test(text)) formats.add('voc')
  else if (kind === 'txt' && startsLikeMarks(text) && baseName(folderOf(path)) !== '') formats.add('yolo')
  else if (isTable('jsonl', path) && namesImages('jsonl', path, text)) formats.add('jsonl')
  else if (isTable('csv', path) && namesImages('csv', path, text)) formats.add('csv')
}

/** A table among images is one of annotations only where its first line says that it names images. */
function namesImages(kind: 'csv' | 'jsonl', path: string, start: string): boolean {
  const [line = ''] = start.trimStart().split('\n', 1)
  return readTable(kind, { path, bytes: Buffer.from(`${line}\n${kind === 'csv' ? line : ''}`) }, new Book())
}

/** Where a tree tells of several formats, the one that says most counts. */
const order: readonly FormatName[] = ['coco', 'voc', 'yolo', 'huggingface', 'webdataset', 'parquet', 'jsonl', 'csv']

function verdict(source: string, { formats, images, shards }: Seen): FormatName {
  const local = !source.startsWith('s3://')
  if (local && shards > 0 && images === 0) return 'webdataset'
  const told = order.find((format) => formats.has(format))
  if (told === 'parquet' && images > 0) return 'folder'
  if (told === 'webdataset' && !/\.(tar|gz|tgz)$/i.test(source)) return 'folder'
  return told ?? 'folder'
}
