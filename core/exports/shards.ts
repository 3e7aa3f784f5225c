/**
 * Formats that put many images into one file: WebDataset and Parquet. A shard takes images of one split, in order, until
 * the next would make it too large; so the same version gives the same shards, and one that is there whole is not made
 * again.
 */
import type { Columns } from '#core/tables'
import { writeImageParquet } from '#core/tables'
import { jsonRow, tableRow } from './columns.ts'
import { extensionOf } from './names.ts'
import type { ExportRow } from './rows.ts'
import type { OpenFile, Sink } from './sink.ts'
import { tarEnd, tarEntry } from './tar.ts'
import { everything, type Writer, type WriterContext, type WriterKind } from './writer.ts'

const WEBDATASET_BYTES = 256 * 1024 * 1024
const PARQUET_BYTES = 64 * 1024 * 1024

interface Shard {
  readonly name: string
  /** Null where it is there already. */
  readonly content: ShardContent | null
  sizeBytes: number
}

interface ShardContent {
  add(row: ExportRow, stem: string, bytes: Uint8Array): void
  close(): void
}

interface Sharding {
  readonly shardBytes: number
  nameOf(split: ExportRow['split'], number: number): string
  open(name: string): ShardContent
}

/** Which shard each image goes to. */
function sharded(
  { sink, stems }: WriterContext,
  { shardBytes, nameOf, open }: Sharding,
): Pick<Writer, 'take'> & { close(): void } {
  const current = new Map<ExportRow['split'], Shard>()
  const counts = new Map<ExportRow['split'], number>()
  const next = (split: ExportRow['split']): Shard => {
    const number = counts.get(split) ?? 0
    const name = nameOf(split, number)
    const shard = { name, content: sink.has(name) ? null : open(name), sizeBytes: 0 }
    counts.set(split, number + 1)
    current.set(split, shard)
    return shard
  }
  const shardFor = ({ split, sizeBytes }: ExportRow): Shard => {
    const shard = current.get(split)
    if (shard && shard.sizeBytes + sizeBytes <= shardBytes) return shard
    shard?.content?.close()
    return next(split)
  }
  return {
    take(row) {
      const shard = shardFor(row)
      const stem = stems.stemOf(row)
      shard.sizeBytes += row.sizeBytes
      const { content } = shard
      return content && ((bytes) => content.add(row, stem, bytes))
    },
    close() {
      for (const { content } of current.values()) content?.close()
    },
  }
}

/** Per image `<stem>.jpg`, `<stem>.json` and, where it has a label, `<stem>.cls`, its number in `classes.txt`. */
export const webDatasetWriter: WriterKind = {
  carries: () => everything,
  open(context) {
    const { sink, source } = context
    const numbers = new Map(source.classes.map((name, number) => [name, number]))
    const shards = sharded(context, {
      shardBytes: WEBDATASET_BYTES,
      nameOf: (split, number) => `${split}-${String(number).padStart(6, '0')}.tar`,
      open: (name) => tarShard(sink.open(name), numbers),
    })
    return {
      take: (row) => shards.take(row),
      end() {
        shards.close()
        if (source.classes.length > 0) sink.put('classes.txt', Buffer.from(`${source.classes.join('\n')}\n`))
      },
    }
  },
}

function tarShard(file: OpenFile, numbers: ReadonlyMap<string, number>): ShardContent {
  const write = (name: string, bytes: Uint8Array): void => tarEntry(name, bytes).forEach((piece) => file.write(piece))
  return {
    add(row, stem, bytes) {
      write(`${stem}.${extensionOf(row)}`, bytes)
      if (row.label !== null) write(`${stem}.cls`, Buffer.from(String(numbers.get(row.label))))
      write(`${stem}.json`, Buffer.from(JSON.stringify(jsonRow(row))))
    },
    close() {
      file.write(tarEnd())
      file.close()
    },
  }
}

const tableColumns: Columns = {
  label: 'text',
  tags: 'texts',
  split: 'text',
  attributes: 'text',
  boxes: 'text',
  width: 'integer',
  height: 'integer',
  source: 'text',
  digest: 'text',
  origin: 'text',
  human_seen: 'boolean',
  random_draw: 'boolean',
}

/** So that Hugging Face datasets shows `image` as pictures. */
const features = JSON.stringify({ info: { features: { image: { _type: 'Image' } } } })

/** `data/<split>-00000.parquet`, with the file of each image in `image.bytes` and its name in `image.path`. */
export const parquetWriter: WriterKind = {
  carries: () => everything,
  open(context) {
    const waiting: { readonly name: string; readonly rows: object[] }[] = []
    const shards = sharded(context, {
      shardBytes: PARQUET_BYTES,
      nameOf: (split, number) => `data/${split}-${String(number).padStart(5, '0')}.parquet`,
      open(name) {
        const rows: object[] = []
        return {
          add: (row, stem, bytes) => rows.push({ bytes, path: `${stem}.${extensionOf(row)}`, ...tableRow(row) }),
          close: () => void waiting.push({ name, rows }),
        }
      },
    })
    const settle = async (): Promise<void> => {
      for (let shard = waiting.shift(); shard; shard = waiting.shift()) await writeShard(context.sink, shard)
    }
    return {
      take: (row) => shards.take(row),
      settle,
      end() {
        shards.close()
        return settle()
      },
    }
  },
}

async function writeShard(
  sink: Sink,
  { name, rows }: { readonly name: string; readonly rows: readonly object[] },
): Promise<void> {
  const file = sink.temporary(name)
  await writeImageParquet(file, { columns: tableColumns, metadata: { huggingface: features } }, rows)
  sink.add(name, file)
}
