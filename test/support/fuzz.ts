/**
 * Sets of every format that is read, broken at random: for proving that no bytes of a stranger end an import, lead it
 * out of the source, or fill the memory. The same seed always breaks the same bytes.
 */
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import { isPlatformError } from '#core/errors'
import { sha256Hex } from '#core/storage'
import { writeImageParquet } from '#core/tables'
import { openFormat, type FormatName } from '../../core/imports/formats/index.ts'
import { entriesOf, writeTree, type Tree } from '../core/imports/formats/support.ts'
import { tarOf, zipOf } from './archives.ts'
import { pngImage } from './images.ts'

/** Whole numbers from 0 up to below `end`; mulberry32. */
export type Draw = (end: number) => number

export function drawing(seed: number): Draw {
  let state = seed >>> 0
  return (end) => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4_294_967_296) * end)
  }
}

/** What breaks parsers: ends of ranges, names that lead outside, and marks of every syntax. */
const tokens = [
  '../../../outside/secret.png', '/etc/passwd', '..\\..\\outside\\secret.png', 'C:\\x', '\0', '\ufeff', '__proto__', 'constructor',
  '-1', '0', 'NaN', '1e999', '99999999999999999999', '18446744073709551615', 'null', 'true', '""', '"', "'", ',', '\n', '\t', ';',
  '[[[[[[[[[[[[[[[[', ']]]]]]]]', '{{{{', '}', '<!DOCTYPE a [<!ENTITY x "y">]>', '&x;&amp;&#0;', '<a><a><a><a>', '</annotation>', '<![CDATA[',
  '!!js/function x', '&a [*a, *a]', '*a', '<<: *a', '---\n', '%YAML 9', '\\u0000', '\\', 'ustar', 'PK\x01\x02', 'PK\x05\x06', 'PAR1', '\x1f\x8b',
] // prettier-ignore

/** One to four changes of bytes. */
export function mutated(bytes: Uint8Array, draw: Draw): Uint8Array {
  let result: Buffer = Buffer.from(bytes)
  for (let changes = 1 + draw(4); changes > 0; changes--) result = mutatedOnce(result, draw)
  return result
}

function mutatedOnce(bytes: Buffer, draw: Draw): Buffer {
  const at = draw(bytes.length + 1)
  const length = draw(Math.min(64, bytes.length + 1))
  const kind = draw(7)
  const [before, behind] = [bytes.subarray(0, at), bytes.subarray(at)]
  if (kind === 0) return Buffer.from(before)
  if (kind === 1) return Buffer.concat([before, behind.subarray(length)])
  if (kind === 2) return Buffer.concat([before, Buffer.from(tokens[draw(tokens.length)]!, 'utf8'), behind])
  if (kind === 3)
    return Buffer.concat([before, Buffer.from(tokens[draw(tokens.length)]!, 'utf8'), behind.subarray(length)])
  if (kind === 4) return Buffer.concat([before, behind.subarray(0, length), behind])
  const result = Buffer.from(bytes)
  if (result.length === 0) return result
  for (let i = 0; i <= draw(8); i++) {
    const place = draw(result.length)
    result[place] = kind === 5 ? draw(256) : result[place]! ^ (1 << draw(8))
  }
  return result
}

/** A set of one format: what is broken of it, and what stays. */
interface Specimen {
  readonly name: string
  readonly format: FormatName | 'auto'
  /** Files beside the broken one. */
  readonly tree: Tree
  /** The one that is broken. */
  readonly victim: string
  readonly bytes: Uint8Array
  /** What is done to the broken bytes before they are written. */
  readonly wrap?: (bytes: Uint8Array) => Uint8Array
  /** Whether the source is the victim itself, not its folder. */
  readonly alone?: boolean
}

export async function specimens(scratch: string): Promise<readonly Specimen[]> {
  const images = { 'a.png': await pngImage(1), 'b.png': await pngImage(2) }
  const coco = JSON.stringify({
    info: { year: 2026 },
    images: [{ id: 1, file_name: 'a.png', width: 24, height: 24 }, { id: 2, file_name: 'b.png' }],
    annotations: [{ id: 1, image_id: 1, category_id: 1, bbox: [1, 2, 3, 4], segmentation: [[1, 1, 2, 2, 3, 1]], iscrowd: 0 }, { id: 2, image_id: 2, category_id: 2 }],
    categories: [{ id: 1, name: 'cat' }, { id: 2, name: 'dog', supercategory: 'tag' }],
  }) // prettier-ignore
  const voc =
    '<?xml version="1.0"?><annotation><filename>a.png</filename><object><name>cat</name><pose>Left</pose><truncated>1</truncated><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></object></annotation>'
  const csv =
    'path,label,tags,split,boxes,weight\na.png,cat,"[""x""]",train,"[{""class"":""cat"",""x"":1,""y"":2,""width"":3,""height"":4}]",1\nb.png,"dog, big",,test,,2\n'
  const jsonl =
    '{"file_name":"a.png","label":"cat","objects":{"bbox":[[1,2,3,4]],"categories":[0]}}\n{"file_name":"b.png","tags":["x"]}\n'
  const yaml = 'path: .\ntrain: images\nnames:\n  0: cat\n  1: dog\n'
  const shard = await tarOf(
    entriesOf({
      '0.png': images['a.png'],
      '0.json': '{"label":"cat","boxes":[]}',
      '0.cls': '1',
      '1.png': images['b.png'],
      '1.txt': 'a dog',
    }),
  )
  const tree = { ...images, 'annotations.json': coco }
  const parquet = path.join(scratch, 'specimen.parquet')
  await writeImageParquet(parquet, { columns: { label: 'text', tags: 'texts' }, metadata: { huggingface: '{"info":{"features":{"label":{"names":["a","b"]}}}}' } },
    Object.entries(images).map(([name, bytes]) => ({ bytes, path: name, label: '0', tags: ['x'] }))) // prettier-ignore
  const text = (content: string): Uint8Array => Buffer.from(content)
  return [
    { name: 'coco', format: 'coco', tree: images, victim: 'annotations.json', bytes: text(coco) },
    { name: 'coco-file', format: 'auto', tree: images, victim: 'annotations.json', bytes: text(coco), alone: true },
    { name: 'voc', format: 'voc', tree: images, victim: 'a.xml', bytes: text(voc) },
    { name: 'csv', format: 'csv', tree: images, victim: 'list.csv', bytes: text(csv) },
    { name: 'csv-file', format: 'csv', tree: images, victim: 'list.csv', bytes: text(csv), alone: true },
    { name: 'jsonl', format: 'jsonl', tree: images, victim: 'list.jsonl', bytes: text(jsonl), alone: true },
    { name: 'huggingface', format: 'huggingface', tree: images, victim: 'metadata.jsonl', bytes: text(jsonl) },
    { name: 'yolo-names', format: 'yolo', tree: { ...images, 'a.txt': '0 0.5 0.5 0.1 0.1' }, victim: 'data.yaml', bytes: text(yaml) },
    { name: 'yolo-boxes', format: 'yolo', tree: { ...images, 'data.yaml': yaml }, victim: 'a.txt', bytes: text('0 0.5 0.5 0.1 0.1\n1 0.1 0.1 0.2 0.2 0.3 0.1\n') },
    { name: 'yolo-image', format: 'yolo', tree: { 'a.txt': '0 0.5 0.5 0.1 0.1', 'data.yaml': yaml }, victim: 'a.png', bytes: images['a.png'] },
    { name: 'imagenet-names', format: 'imagenet', tree: { 'train/n1/a.png': images['a.png'] }, victim: 'LOC_synset_mapping.txt', bytes: text('n1 cat, kitty\nn2 dog\n') },
    { name: 'webdataset', format: 'webdataset', tree: {}, victim: 'train-0.tar', bytes: shard },
    { name: 'tar', format: 'auto', tree: {}, victim: 'set.tar', bytes: await tarOf(entriesOf(tree)), alone: true },
    { name: 'tar.gz', format: 'auto', tree: {}, victim: 'set.tgz', bytes: await tarOf(entriesOf(tree)), wrap: gzipSync, alone: true },
    { name: 'gz', format: 'auto', tree: {}, victim: 'set.tgz', bytes: gzipSync(await tarOf(entriesOf(tree))), alone: true },
    { name: 'zip', format: 'auto', tree: {}, victim: 'set.zip', bytes: zipOf(entriesOf(tree)), alone: true },
    { name: 'zip-of-coco', format: 'coco', tree: {}, victim: 'set.zip', bytes: zipOf(entriesOf(tree)), alone: true },
    { name: 'parquet', format: 'auto', tree: {}, victim: 'data.parquet', bytes: new Uint8Array(await readFile(parquet)), alone: true },
  ] // prettier-ignore
}

export interface FuzzOptions {
  /** A folder of its own. */
  readonly directory: string
  readonly cases: number
  readonly seed: number
  /** Kinds of sets; all where left out. */
  readonly only?: readonly string[]
}

export interface FuzzReport {
  readonly cases: number
  /** By kind of set: read to the end, and refused with a reason. */
  readonly outcomes: Readonly<Record<string, { readonly read: number; readonly refused: number }>>
  /** What must not be: another error than a reason, a byte from outside, a file that was made. */
  readonly failures: readonly string[]
  /** Of the whole process, in bytes. */
  readonly peakBytes: number
}

/** Breaks each kind of set in turn, and reads what came of it. */
export async function fuzzImporters({ directory, cases, seed, only }: FuzzOptions): Promise<FuzzReport> {
  const secret = await pngImage(999)
  await writeTree(path.join(directory, 'outside'), { 'secret.png': secret })
  const all = (await specimens(directory)).filter(({ name }) => !only || only.includes(name))
  const outcomes: Record<string, { read: number; refused: number }> = Object.fromEntries(
    all.map(({ name }) => [name, { read: 0, refused: 0 }]),
  )
  const failures: string[] = []
  let peakBytes = 0
  for (const [index, specimen] of all.entries()) {
    const folder = path.join(directory, 'inside', String(index), 'set')
    await rm(folder, { recursive: true, force: true })
    await mkdir(folder, { recursive: true })
    await writeTree(folder, specimen.tree)
    for (let number = index; number < cases; number += all.length) {
      const broken = mutated(specimen.bytes, drawing(seed * 1_000_003 + number))
      await writeFile(path.join(folder, specimen.victim), specimen.wrap ? specimen.wrap(broken) : broken)
      const trouble = await readToEnd(specimen, folder, sha256Hex(secret)).catch((error: unknown) => ({
        trouble: String(error instanceof Error ? error.stack : error),
      }))
      if (typeof trouble === 'object') failures.push(`${specimen.name}, case ${number}: ${trouble.trouble}`)
      else outcomes[specimen.name]![trouble]++
      peakBytes = Math.max(peakBytes, process.memoryUsage.rss())
    }
    const left = (await readdir(folder, { recursive: true })).length
    if (left !== (await expectedFiles(specimen)))
      failures.push(`${specimen.name}: the folder has ${left} files and folders`)
  }
  return { cases, outcomes, failures, peakBytes }
}

function expectedFiles({ tree, victim }: Specimen): number {
  const names = [...Object.keys(tree), victim]
  const folders = new Set(
    names.flatMap((name) =>
      name
        .split('/')
        .slice(0, -1)
        .map((_, i) =>
          name
            .split('/')
            .slice(0, i + 1)
            .join('/'),
        ),
    ),
  )
  return new Set(names).size + folders.size
}

async function readToEnd(
  { format, victim, alone }: Specimen,
  folder: string,
  secret: string,
): Promise<'read' | 'refused'> {
  try {
    const source = await openFormat(alone ? path.join(folder, victim) : folder, format)
    for await (const arrival of source.files) {
      const bytes = await arrival.read().catch((error: unknown) => {
        if (!isPlatformError(error) || !error.code.startsWith('IMAGE_')) throw error
        return null
      })
      if (bytes && sha256Hex(bytes) === secret) throw new Error(`${arrival.path} gave bytes from outside`)
      JSON.stringify(arrival.annotation)
    }
    JSON.stringify([source.notes, source.schema])
    return 'read'
  } catch (error) {
    if (isPlatformError(error) && error.code.startsWith('DATASET_')) return 'refused'
    throw error
  }
}
