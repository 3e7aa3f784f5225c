/** Brings images into a dataset: from any source as a step; from an endpoint's captures one by one. */
import { openTables, readLatest, withScratch, type DatasetRules } from '#core/datasets'
import { PlatformError } from '#core/errors'
import type { Progress, StepContext } from '#core/execution'
import type { DatasetVersion, importImages as importStep, StepInput, StepOutput } from '#core/steps'
import { canonicalJson, putBlob, type ObjectStore } from '#core/storage'
import { addIntake } from './addition.ts'
import { arrived, type Arrival, type Source } from './arrivals.ts'
import type { Bounds } from './families.ts'
import { openFormat } from './formats/index.ts'
import { takeIn, type Intake, type IntakeOptions } from './intake.ts'
import { THRESHOLDS } from './near-duplicates.ts'
import { importPage } from './page.ts'
import { forgetParts } from './parts.ts'
import { importReport } from './report.ts'

type NewInput = 'format' | 'everySeconds' | 'reference' | 'lookAlikes'
type ImportInput = Omit<StepInput<typeof importStep>, NewInput> & Partial<Pick<StepInput<typeof importStep>, NewInput>>

/**
 * Makes a version of what the dataset holds already and what the source holds. An attempt that starts again goes on
 * where the former one was stopped.
 *
 * @throws {PlatformError} `DATASET_SOURCE_NOT_FOUND`, `DATASET_SOURCE_UNREADABLE`, `DATASET_EMPTY`.
 */
export async function importImages(
  {
    dataset,
    source: place,
    format = 'folder',
    everySeconds = 1,
    reference = false,
    labels,
    heldOutShare,
    seed,
    lookAlikes,
  }: ImportInput,
  ctx: StepContext,
  { partFiles }: { readonly partFiles?: number } = {},
): Promise<StepOutput<typeof importStep>> {
  const { store, signal } = ctx
  if (reference && !place.startsWith('s3://')) throw notABucket(place)
  return withScratch(async (directory) => {
    const records = `datasets/${dataset}/imports/${ctx.runId}.${ctx.nodeId}/`
    const parts = { store, directory, records, ...(partFiles === undefined ? {} : { partFiles }) }
    const source = await openFormat(place, format, { signal, everySeconds })
    const progress = (progress: Progress): void => ctx.progress(progress)
    const intake = await intakeOf(source, dataset, { ...parts, signal, reference, progress })
    try {
      const { counts } = intake
      const images = counts.files - counts.duplicates - counts.rejected
      if (images === 0) throw nothingReadable(place, intake)
      const rules = rulesOf(heldOutShare, seed, lookAlikes?.threshold)
      const addition = { intake, labels, rules, ...boundsOf(lookAlikes), ...schemaOf(source) }
      const options = {
        by: ctx.runId,
        note: `imported ${images} images`,
        directory,
        signal,
        say: (note: string) => ctx.progress({ done: counts.files, total: counts.files, unit: 'images', note }),
      }
      const output = await addIntake(store, dataset, addition, options, async (added, gathering) => {
        if (added.leftTest.length > 0)
          ctx.log.info({ dataset, images: added.leftTest.length }, 'held-out images went to train with a look-alike')
        const report = await importReport(store, added, gathering, { counts, notes: source.notes ?? [], directory })
        return {
          ...added.version,
          duplicates: counts.duplicates,
          nearDuplicates: report.nearDuplicateGroups.reduce((sum, group) => sum + group.length, 0),
          rejected: counts.rejected,
          report: await putBlob(store, Buffer.from(canonicalJson(report))),
          page: await putBlob(store, Buffer.from(await importPage(store, added.version, report))),
        }
      })
      await forgetParts(parts)
      return output
    } finally {
      intake.close()
    }
  }, ctx.scratchDir)
}

export interface NamedImage {
  readonly name: string
  readonly bytes: Uint8Array
}

export interface AddImagesOptions {
  readonly by: string
  readonly note?: string
  readonly signal?: AbortSignal
  readonly scratchDir?: string
  progress?(progress: Progress): void
}

/**
 * Adds unlabelled images, such as an endpoint captured. Makes the dataset where it is missing; images that cannot be
 * decoded are left out and counted.
 */
export async function addImages(
  store: ObjectStore,
  dataset: string,
  images: AsyncIterable<NamedImage> | Iterable<NamedImage>,
  { by, note, signal = new AbortController().signal, scratchDir, progress = () => undefined }: AddImagesOptions,
): Promise<DatasetVersion & { readonly added: number; readonly duplicates: number; readonly rejected: number }> {
  return withScratch(async (directory) => {
    const files = { files: arrivals(images) }
    const intake = await intakeOf(files, dataset, {
      store,
      directory,
      records: null,
      signal,
      reference: false,
      progress,
    })
    try {
      const { counts } = intake
      const addition = { intake, labels: 'none', rules: rulesOf(0.2, 7) } as const
      const distinct = counts.files - counts.duplicates - counts.rejected
      const options = { by, note: note ?? `added ${distinct} images`, directory, signal, say: () => undefined }
      return await addIntake(store, dataset, addition, options, async ({ version, added }) => ({
        ...version,
        added,
        duplicates: counts.files - counts.rejected - added,
        rejected: counts.rejected,
      }))
    } finally {
      intake.close()
    }
  }, scratchDir)
}

async function* arrivals(images: AsyncIterable<NamedImage> | Iterable<NamedImage>): AsyncIterable<Arrival> {
  for await (const { name, bytes } of images) yield arrived(name, bytes)
}

function rulesOf(heldOutShare: number, seed: number, threshold: number = THRESHOLDS[0]): DatasetRules {
  return { heldOutShare, seed, threshold }
}

function boundsOf(lookAlikes: ImportInput['lookAlikes']): { bounds?: Bounds } {
  if (!lookAlikes) return {}
  const { groupImages, groupShare, groupedShare } = lookAlikes
  return { bounds: { least: groupImages, largestShare: groupShare, groupedShare } }
}

function schemaOf({ schema }: Source): Pick<Source, 'schema'> {
  return schema ? { schema } : {}
}

async function intakeOf(source: Source, dataset: string, options: Omit<IntakeOptions, 'held'>): Promise<Intake> {
  const held = await heldDigests(options.store, dataset, options.directory)
  return takeIn(source, { ...options, held })
}

/** Digests of the images that the dataset holds now. */
async function heldDigests(store: ObjectStore, dataset: string, directory: string): Promise<ReadonlySet<string>> {
  const held = new Set<string>()
  const latest = await readLatest(store, dataset)
  if (!latest) return held
  const tables = await openTables(store, { dataset, version: latest.value.version }, { scratchDir: directory })
  try {
    for await (const rows of tables.batches<{ digest: string }>('SELECT digest FROM labels'))
      for (const { digest } of rows) held.add(digest)
  } finally {
    tables.close()
  }
  return held
}

function notABucket(source: string): PlatformError {
  return new PlatformError(
    'INVALID_INPUT',
    `${source} is no bucket, and only images of a bucket can stay where they are; leave reference out or give s3://bucket/prefix`,
    { source },
  )
}

function nothingReadable(source: string, { counts, firstRejected }: Intake): PlatformError {
  return new PlatformError(
    'DATASET_EMPTY',
    firstRejected
      ? `${source} holds no image that can be read; ${counts.rejected} files were refused, the first, ${firstRejected.path}: ${firstRejected.reason}`
      : `${source} holds no image; point to a folder with JPEG, PNG, WebP, TIFF or GIF files`,
    { source, rejected: counts.rejected },
  )
}
