/** Brings images into a dataset: from a folder, an archive or a bucket as a step; from an endpoint's captures one by one. */
import {
  loadVersion,
  publish,
  readImages,
  readLatest,
  toDatasetVersion,
  withScratch,
  writePacks,
  writeVersion,
  type Content,
  type DatasetRules,
  type ImageLabel,
  type LoadedVersion,
  type Manifest,
  type PackPlace,
  type StoredFacts,
} from '#core/datasets'
import { PlatformError } from '#core/errors'
import type { Progress, StepContext } from '#core/execution'
import { inspectImage } from '#core/images'
import type { DatasetVersion, importImages as importStep, StepInput, StepOutput } from '#core/steps'
import { canonicalJson, putBlob, type ObjectStore } from '#core/storage'
import { arrived, type Arrival } from './arrivals.ts'
import { takeIn, type Intake, type TakenImage } from './intake.ts'
import { classFolders } from './class-folders.ts'
import { groupNearDuplicates, THRESHOLDS, type Grouping } from './near-duplicates.ts'
import { importReport } from './report.ts'
import { openSource } from './source.ts'
import { splitOf } from './splits.ts'

/**
 * Makes a version of what the dataset holds already and what the source holds.
 *
 * @throws {PlatformError} `DATASET_SOURCE_NOT_FOUND`, `DATASET_SOURCE_UNREADABLE`, `DATASET_EMPTY`.
 */
export async function importImages(
  input: StepInput<typeof importStep>,
  ctx: StepContext,
): Promise<StepOutput<typeof importStep>> {
  const { dataset, heldOutShare, seed } = input
  return withScratch(async (directory) => {
    const source = await openSource(input.source)
    const intake = await takeIn(source, { directory, signal: ctx.signal, progress: (p) => ctx.progress(p) })
    try {
      if (intake.images.length === 0) throw nothingReadable(input.source, intake)
      const folders = input.labels === 'folders' ? classFolders(intake) : null
      const rules = { heldOutShare, seed, threshold: THRESHOLDS[0] }
      const options = { by: ctx.runId, note: `imported ${intake.images.length} images`, directory, signal: ctx.signal }
      const added = await addIntake(
        ctx.store,
        dataset,
        { intake, labelOf: folders?.labelOf ?? (() => null), rules },
        options,
      )
      if (added.leftTest.length > 0)
        ctx.log.info({ dataset, images: added.leftTest.length }, 'held-out images went to train with a look-alike')
      const report = importReport({ intake, conflicts: folders?.conflicts ?? [], ...added })
      return {
        ...added.version,
        duplicates: intake.duplicates.length,
        nearDuplicates: report.nearDuplicateGroups.reduce((sum, group) => sum + group.length, 0),
        rejected: intake.rejected.length,
        report: await putBlob(ctx.store, Buffer.from(canonicalJson(report))),
      }
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
    const intake = await takeIn({ files: arrivals(images) }, { directory, signal, progress })
    try {
      const rules = { heldOutShare: 0.2, seed: 7, threshold: THRESHOLDS[0] }
      const { version, added } = await addIntake(
        store,
        dataset,
        { intake, labelOf: () => null, rules },
        { by, note: note ?? `added ${intake.images.length} images`, directory, signal },
      )
      const duplicates = intake.duplicates.length + intake.images.length - added
      return { ...version, added, duplicates, rejected: intake.rejected.length }
    } finally {
      intake.close()
    }
  }, scratchDir)
}

async function* arrivals(images: AsyncIterable<NamedImage> | Iterable<NamedImage>): AsyncIterable<Arrival> {
  for await (const { name, bytes } of images) yield arrived(name, bytes)
}

interface Addition {
  readonly intake: Intake
  readonly labelOf: (digest: string) => string | null
  /** Hold where the dataset is new; an older dataset keeps its own. */
  readonly rules: DatasetRules
}

interface AdditionOptions {
  readonly by: string
  readonly note: string
  readonly directory: string
  readonly signal: AbortSignal
}

async function addIntake(
  store: ObjectStore,
  dataset: string,
  addition: Addition,
  { by, note, directory, signal }: AdditionOptions,
): Promise<Added> {
  const load = async (version: string | null): Promise<LoadedVersion | null> =>
    version === null ? null : loadVersion(store, dataset, version, directory)
  const first = await readLatest(store, dataset)
  let former = await load(first?.value.version ?? null)
  const held = new Set(former?.facts.map(({ digest }) => digest))
  const fresh = addition.intake.images.filter(({ digest }) => !held.has(digest))
  const readBytes = (image: TakenImage): Uint8Array => addition.intake.readBytes(image)
  const places = await writePacks(fresh, readBytes, { store, directory, signal })
  const placeOf = new Map(fresh.map(({ digest }, i) => [digest, places[i]!]))

  let merged: Merged | undefined
  const merge = async (latest: string | null): Promise<Manifest> => {
    signal.throwIfAborted()
    if (latest !== (former?.manifest.version ?? null)) former = await load(latest)
    merged = await withFresh(store, former, addition, placeOf)
    return writeVersion(store, dataset, merged.content, { former, directory })
  }
  const manifest = await publish(store, dataset, merge, { by, note })
  return { version: toDatasetVersion(manifest), ...merged! }
}

interface Merged {
  readonly content: Content
  /** Images that the dataset did not hold before. */
  readonly added: number
  /** Held-out images that went to the training split because a new image joins them with one there. */
  readonly leftTest: readonly string[]
}

export interface Added extends Merged {
  readonly version: DatasetVersion
}

/** The union of a version and an intake. Images that the version holds keep all they have; only null labels are filled. */
async function withFresh(
  store: ObjectStore,
  former: LoadedVersion | null,
  { intake, labelOf, rules: rulesOfNew }: Addition,
  placeOf: ReadonlyMap<string, PackPlace>,
): Promise<Merged> {
  const base: Content = former ?? { facts: [], labels: [], rules: rulesOfNew }
  const held = new Set(base.facts.map(({ digest }) => digest))
  const fresh = intake.images.filter(({ digest }) => !held.has(digest))
  const greysOf = (digests: readonly string[]): Promise<ReadonlyMap<string, Uint8Array>> =>
    decodeGreys(store, base.facts, digests)
  const grouping = await groupNearDuplicates(fresh, base.facts, greysOf, base.rules.threshold)
  const rules = { ...base.rules, threshold: fresh.length > 0 ? grouping.threshold : base.rules.threshold }
  const standing = base.facts.map((facts) => ({ ...facts, group: grouping.joined.get(facts.group) ?? facts.group }))
  const labels = [
    ...base.labels.map((label) => filled(label, labelOf(label.digest))),
    ...fresh.map(({ digest }) => freshLabel(digest, labelOf(digest))),
  ].sort(byDigest)
  const facts = [...standing, ...fresh.map((image) => factsOf(image, placeOf, grouping))].sort(byDigest)
  const { settled, leftTest } = settleSplits(facts, labels, base.labels, rules)
  return { content: { facts, labels: settled, rules }, added: fresh.length, leftTest }
}

const UNMEASURED = {
  uri: null,
  etag: null,
  brightness: null,
  contrast: null,
  blur: null,
  entropy: null,
  colour: null,
  camera: null,
  takenAt: null,
} as const

function factsOf(
  { digest, sizeBytes, width, height, format, source, look }: TakenImage,
  placeOf: ReadonlyMap<string, PackPlace>,
  { groupOf }: Grouping,
): StoredFacts {
  const place = placeOf.get(digest)
  const group = groupOf.get(digest)
  if (!place || !group) throw new PlatformError('INTERNAL', `image ${digest} was neither packed nor held`, { digest })
  return { digest, ...place, sizeBytes, width, height, format, group, source, look, ...UNMEASURED }
}

function filled(held: ImageLabel, label: string | null): ImageLabel {
  return held.label !== null || held.excluded !== null || label === null
    ? held
    : { ...freshLabel(held.digest, label), split: held.split }
}

/** An imported label is a person's, of an image that nobody chose by its look: seen, and drawn at random. */
function freshLabel(digest: string, label: string | null): ImageLabel {
  const known = label !== null
  const origin = known ? 'imported' : null
  return {
    digest,
    split: 'train',
    label,
    tags: null,
    attributes: null,
    origin,
    humanSeen: known,
    randomDraw: known,
    excluded: null,
  }
}

/** A group that has a split keeps it; one that has both goes to train, for nothing ever moves from train to test. */
function settleSplits(
  facts: readonly StoredFacts[],
  labels: readonly ImageLabel[],
  base: readonly ImageLabel[],
  rules: DatasetRules,
): { readonly settled: ImageLabel[]; readonly leftTest: readonly string[] } {
  const former = new Map(base.map(({ digest, split }) => [digest, split]))
  const splitOfGroup = new Map<string, ImageLabel['split']>()
  for (const { digest, group } of facts) {
    const split = former.get(digest)
    if (split === 'train' || (split === 'test' && !splitOfGroup.has(group))) splitOfGroup.set(group, split)
  }
  const leftTest: string[] = []
  const settled = labels.map((label, i) => {
    const { group, digest } = facts[i]!
    const split = splitOfGroup.get(group) ?? splitOf(group, rules)
    if (split === 'train' && former.get(digest) === 'test') leftTest.push(digest)
    return { ...label, split }
  })
  return { settled, leftTest }
}

async function decodeGreys(
  store: ObjectStore,
  facts: readonly StoredFacts[],
  digests: readonly string[],
): Promise<ReadonlyMap<string, Uint8Array>> {
  const wanted = new Set(digests)
  const greys = new Map<string, Uint8Array>()
  for await (const { digest, bytes } of readImages(
    store,
    facts.filter((fact) => wanted.has(fact.digest)),
  ))
    greys.set(digest, (await inspectImage(bytes)).grey32)
  return greys
}

function byDigest(a: { readonly digest: string }, b: { readonly digest: string }): number {
  return a.digest < b.digest ? -1 : 1
}

function nothingReadable(source: string, { rejected }: Intake): PlatformError {
  const [first] = rejected
  return new PlatformError(
    'DATASET_EMPTY',
    first
      ? `${source} holds no image that can be read; ${rejected.length} files were refused, the first, ${first.path}: ${first.reason}`
      : `${source} holds no image; point to a folder with JPEG, PNG, WebP, TIFF or GIF files`,
    { source, rejected: rejected.length },
  )
}
