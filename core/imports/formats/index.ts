/** Opens an image set in the format that it lies in, whoever wrote it; says what it did not understand. */
import { PlatformError } from '#core/errors'
import type { Source } from '../arrivals.ts'
import { openSource } from '../source.ts'
import { openCoco } from './coco.ts'
import { detectFormat } from './detect.ts'
import { openHuggingFace } from './huggingface.ts'
import { openImageNet } from './imagenet.ts'
import type { FormatName } from './names.ts'
import { openParquet } from './parquet.ts'
import { placeOf, type OpenOptions, type Place } from './place.ts'
import { openTable } from './table.ts'
import { openVideo } from './video.ts'
import { openVoc } from './voc.ts'
import { openWebDataset } from './webdataset.ts'
import { openYolo } from './yolo.ts'

export { IMPORT_FORMATS, type FormatName } from './names.ts'
export type { OpenOptions } from './place.ts'

/** A source in a format that is known by now. */
export interface OpenedFormat extends Source {
  readonly format: FormatName
}

const readers: Readonly<Record<FormatName, (place: Place, options: OpenOptions) => Promise<Source>>> = {
  folder: ({ source }) => openSource(source),
  imagenet: openImageNet,
  csv: (place, options) => openTable('csv', place, options),
  jsonl: (place, options) => openTable('jsonl', place, options),
  coco: openCoco,
  voc: openVoc,
  yolo: openYolo,
  huggingface: openHuggingFace,
  webdataset: openWebDataset,
  parquet: openParquet,
  video: openVideo,
}

/**
 * @param source - a folder, an archive, `s3://bucket/prefix`, or one file: a table, COCO, Parquet, a video.
 * @param format - `auto` tells it by what the source holds.
 * @throws {PlatformError} `DATASET_SOURCE_NOT_FOUND`; `DATASET_SOURCE_UNREADABLE` when it is not in that format.
 */
export async function openFormat(
  source: string,
  format: FormatName | 'auto',
  options: OpenOptions = {},
): Promise<OpenedFormat> {
  const place = await placeOf(source)
  const found = format === 'auto' ? await detectFormat(place) : format
  if (place.file !== null && !openedAsFile.has(found))
    throw new PlatformError(
      'DATASET_SOURCE_UNREADABLE',
      `${source} is neither a folder nor a .zip, .tar or .tar.gz archive, as ${found} needs`,
      { source },
    )
  const opened = await readers[found](place, options)
  return Object.create(opened, { format: { value: found, enumerable: true } }) as OpenedFormat
}

const openedAsFile: ReadonlySet<FormatName> = new Set(['csv', 'jsonl', 'coco', 'parquet', 'video'])
