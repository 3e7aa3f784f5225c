/**
 * The images of a version as a trainer wants them: shuffled anew each epoch, shared among ranks, and resumable at any
 * sample, also by another number of ranks. Packs are read in large pieces ahead of need; at most one window of blocks is in memory.
 */
import { PlatformError } from '#core/errors'
import { decodePixels, type PixelSize } from '#core/images'
import { mapInOrder } from '#core/inference'
import type { DatasetVersion } from '#core/steps'
import type { ObjectStore } from '#core/storage'
import { countOf, EpochOrder, restAfter, shareOf, spansOfRank, type Sharing, type Span } from './order.ts'
import { readSamples, type Sample } from './read-ahead.ts'
import { readStreamIndex, streamIndexBlob, type Choice, type StreamIndex } from './stream-index.ts'

const DEFAULT_BLOCK_BYTES = 512 * 1024
const DEFAULT_WINDOW_BLOCKS = 128
/** Images decoded at the same time. */
const DECODES_AT_ONCE = 8

export interface StreamOptions extends Partial<Choice>, Partial<Sharing> {
  /** The same seed gives the same order, on every machine. */
  readonly seed?: number
  /** False gives the order of the packs. */
  readonly shuffle?: boolean
  /** Blocks (of `blockBytes`, half a megabyte unless told otherwise) that are mixed with each other, and kept in memory. */
  readonly windowBlocks?: number
}

/** Where all ranks stand together, as JSON: hand it to `ImageStream.from`, in a stream of any number of ranks. */
export interface StreamPlace {
  readonly version: string
  readonly seed: number
  readonly epoch: number
  /** Positions of the epoch's order that no rank has had. */
  readonly rest: readonly Span[]
}

export interface DecodedSample extends Omit<Sample, 'bytes'> {
  /** uint8 [height, width, 3]. */
  readonly pixels: Uint8Array
}

/**
 * @throws {PlatformError} `DATASET_NOT_FOUND`; `DATASET_EMPTY` where the choice leaves no image; `INVALID_INPUT` for a
 * rank that is not below `world`.
 */
export async function openStream(
  store: ObjectStore,
  version: Pick<DatasetVersion, 'dataset' | 'version'>,
  options: StreamOptions = {},
): Promise<ImageStream> {
  const { rank = 0, world = 1, windowBlocks = DEFAULT_WINDOW_BLOCKS } = options
  const choice = chosen(options)
  if (!Number.isInteger(rank) || !Number.isInteger(world) || rank < 0 || rank >= world)
    throw new PlatformError('INVALID_INPUT', `rank ${rank} is not one of ${world}; ranks count from 0`, { rank, world })
  for (const [name, value] of Object.entries({ windowBlocks, blockBytes: choice.blockBytes }))
    if (!Number.isInteger(value) || value < 1)
      throw new PlatformError('INVALID_INPUT', `${name} is ${value}; give a whole number from 1`, { name, value })
  const index = await readStreamIndex(store, await streamIndexBlob(store, version, choice))
  return new ImageStream(store, index, { seed: 7, shuffle: true, uneven: 'pad', ...options, rank, world, windowBlocks })
}

/** What is streamed unless told otherwise: labelled images of the training split. */
export function chosen({
  split = 'train',
  unlabelled = false,
  blockBytes = DEFAULT_BLOCK_BYTES,
}: Partial<Choice>): Choice {
  return { split, unlabelled, blockBytes }
}

type Settings = Sharing & { readonly seed: number; readonly shuffle: boolean; readonly windowBlocks: number }

export class ImageStream {
  readonly version: string
  readonly classes: readonly string[]
  /** Of all ranks together. */
  readonly samples: number

  constructor(
    private readonly store: ObjectStore,
    private readonly index: StreamIndex,
    private readonly settings: Settings,
  ) {
    this.version = index.version
    this.classes = index.classes
    this.samples = index.samples
  }

  /** Samples that this rank gets in a whole epoch. */
  get samplesOfRank(): number {
    return shareOf(this.samples, this.settings)
  }

  /** The place at which an epoch begins. */
  start(epoch = 0): StreamPlace {
    return { version: this.version, seed: this.settings.seed, epoch, rest: [[0, this.samples]] }
  }

  /** Where all ranks stand once each has had `taken` samples since `place`: the same answer on every rank. */
  after(place: StreamPlace, taken: number): StreamPlace {
    const rest = restAfter(place.rest, this.settings, taken)
    return countOf(rest) > 0 ? { ...place, rest } : this.start(place.epoch + 1)
  }

  /**
   * This rank's samples from a place to the end of its epoch.
   *
   * @throws {PlatformError} `INVALID_INPUT` for a place of another version or seed; `OBJECT_CORRUPT` for bytes that do
   * not have their digest.
   */
  async *from(place: StreamPlace, { signal }: { readonly signal?: AbortSignal } = {}): AsyncGenerator<Sample> {
    const { version, seed, epoch, rest } = place
    if (version !== this.version || seed !== this.settings.seed)
      throw new PlatformError(
        'INVALID_INPUT',
        `the place belongs to version ${version.slice(0, 12)} and seed ${seed}, the stream to ` +
          `${this.version.slice(0, 12)} and ${this.settings.seed}; open the stream of that version with that seed`,
        { version, seed },
      )
    const order = new EpochOrder(this.index.blockStarts, { ...this.settings, epoch })
    yield* readSamples(this.store, this.index, order.windows(spansOfRank(rest, this.settings)), signal)
  }

  /** As `from`, decoded to one size by the decoder that training and serving use, a few images at a time. */
  async *pixels(
    place: StreamPlace,
    size: PixelSize,
    options: { readonly signal?: AbortSignal } = {},
  ): AsyncGenerator<DecodedSample> {
    const decode = async ({ digest, label, bytes }: Sample): Promise<DecodedSample> => ({
      digest,
      label,
      pixels: await decodePixels(bytes, size),
    })
    yield* mapInOrder(this.from(place, options), decode, { atOnce: DECODES_AT_ONCE, ...options })
  }
}
