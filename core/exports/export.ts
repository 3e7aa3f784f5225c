/** Writes a version of a dataset as files that other tools read, and says what of it they cannot hold. */
import { everyTenth, resolveVersion } from '#core/datasets'
import type { StepContext } from '#core/execution'
import { PlatformError } from '#core/errors'
import type { exportDataset as exportStep, StepInput, StepOutput } from '#core/steps'
import { isAbsolute } from 'node:path'
import { cocoWriter } from './coco.ts'
import { folderWriter } from './folder.ts'
import { ClassFolders, Stems } from './names.ts'
import { bytesOf, openExportSource, type Census, type ExportRow } from './rows.ts'
import { webDatasetWriter, parquetWriter } from './shards.ts'
import { openSink } from './sink.ts'
import { csvWriter, huggingFaceWriter } from './tables.ts'
import { yoloWriter } from './yolo.ts'
import type { Carried, WriterKind } from './writer.ts'

type ExportFormat = StepInput<typeof exportStep>['format']

const writers: Readonly<Record<ExportFormat, WriterKind>> = {
  folder: folderWriter,
  csv: csvWriter,
  huggingface: huggingFaceWriter,
  coco: cocoWriter,
  yolo: yoloWriter,
  webdataset: webDatasetWriter,
  parquet: parquetWriter,
}

/**
 * An attempt that starts again keeps the files that are there whole.
 *
 * @throws {PlatformError} `EXPORT_TARGET_IN_USE`; `INVALID_INPUT` for a target that is no absolute path.
 */
export async function exportDataset(
  { version, target, format }: StepInput<typeof exportStep>,
  ctx: StepContext,
): Promise<StepOutput<typeof exportStep>> {
  if (!isAbsolute(target))
    throw new PlatformError('INVALID_INPUT', `target ${target} is no absolute path of the worker's machine`, { target })
  const { dataset, version: digest } = await resolveVersion(ctx.store, `${version.dataset}@${version.version}`)
  const sink = openSink(target, { dataset, version: digest, format })
  const source = await openExportSource(ctx.store, version, ctx.scratchDir)
  try {
    const kind = writers[format]
    const folders = new ClassFolders()
    const writer = kind.open({ sink, source, stems: new Stems(), folders })
    const { images } = source.census
    let done = 0
    const report = everyTenth(() => ctx.progress({ done, total: images, unit: 'images' }))
    for await (const rows of source.rows()) {
      const waiting = new Map<string, (bytes: Uint8Array) => void>()
      for (const row of rows) {
        const write = writer.take(row)
        if (write) waiting.set(row.digest, write)
        else done++
      }
      for await (const { row, bytes } of bytesOf(ctx.store, needed(rows, waiting))) {
        waiting.get(row.digest)!(bytes)
        done++
        ctx.signal.throwIfAborted()
        report()
      }
      await writer.settle?.()
      ctx.signal.throwIfAborted()
    }
    await writer.end()
    const cannotExpress = lossOf(source.census, kind, folders)
    sink.finish({ images, cannotExpress })
    ctx.progress({ done: images, total: images, unit: 'images' })
    return { dataset, version: digest, target, format, images, sizeBytes: source.census.sizeBytes, cannotExpress }
  } finally {
    source.close()
    sink.close()
  }
}

function needed(rows: readonly ExportRow[], waiting: ReadonlyMap<string, unknown>): readonly ExportRow[] {
  return waiting.size === rows.length ? rows : rows.filter(({ digest }) => waiting.has(digest))
}

const told: readonly (readonly [Carried, keyof Census, (count: number) => string])[] = [
  ['label', 'labelled', (count) => `labels of ${images(count)}`],
  ['tags', 'tagged', (count) => `tags of ${images(count)}`],
  ['attributes', 'attributed', (count) => `attributes of ${images(count)}`],
  ['boxes', 'boxed', (count) => `boxes of ${images(count)}`],
  ['account', 'accounted', (count) => `who gave the labels of ${images(count)}, and which were drawn at random`],
]

/** One sentence for each thing that the version holds and the format has no place for. */
function lossOf(census: Census, { carries }: WriterKind, folders: ClassFolders): string[] {
  const carried = carries(census)
  const lost = told
    .filter(([what, count]) => !carried[what] && census[count] > 0)
    .map(([, count, words]) => words(census[count]))
  if (carried.boxes && !carried.boxAttributes && census.boxesAttributed > 0)
    lost.push(`attributes of ${counted(census.boxesAttributed, 'box', 'boxes')}`)
  if (folders.changed > 0)
    lost.push(`${counted(folders.changed, 'class', 'classes')} under the own name, which cannot be that of a folder`)
  if (census.excluded > 0) lost.push(`${images(census.excluded)} that ${census.excluded === 1 ? 'is' : 'are'} excluded`)
  return lost
}

function images(count: number): string {
  return counted(count, 'image', 'images')
}

function counted(count: number, one: string, several: string): string {
  return `${count} ${count === 1 ? one : several}`
}
