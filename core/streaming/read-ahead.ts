/**
 * Reads samples in the order of a stream: the block of each is read once, a few blocks ahead of need, checked image by
 * image, and forgotten with its last sample. So a reader holds one window of blocks, and `READS_AHEAD` of the next.
 */
import { readImage, readPack, refuseDeleted } from '#core/datasets'
import { PlatformError } from '#core/errors'
import { sha256Hex, type ObjectStore } from '#core/storage'
import { digestAt, type StreamIndex } from './stream-index.ts'

/** Blocks that are asked for before a sample of theirs is wanted: enough to hide the answer time of a bucket. */
const READS_AHEAD = 16

export interface Sample {
  readonly digest: string
  /** Number in the stream's `classes`; −1 where there is no label. */
  readonly label: number
  /** The file as it was imported. */
  readonly bytes: Uint8Array
}

/** One block, within one window. */
interface Load {
  readonly block: number
  /** Samples of the window that are still to be given. */
  left: number
  bytes: Promise<Uint8Array> | null
}

interface Window {
  readonly samples: Uint32Array
  readonly loads: ReadonlyMap<number, Load>
}

/** @param windows - samples in the order to be given, in groups that may be in memory together. */
export async function* readSamples(
  store: ObjectStore,
  index: StreamIndex,
  windows: Iterable<Uint32Array>,
  signal?: AbortSignal,
): AsyncGenerator<Sample> {
  const planned: Window[] = []
  const unread = loadsOf(index, windows, (window) => planned.push(window))
  const ahead: Load[] = []
  const readOn = (): void => {
    while (ahead.length < READS_AHEAD) {
      const { done, value: load } = unread.next()
      if (done) return
      load.bytes = readBlock(store, index, load.block)
      load.bytes.catch(() => undefined) // Told to whoever wants the block; nobody may.
      ahead.push(load)
    }
  }
  readOn()
  for (let window = planned.shift(); window; window = planned.shift()) {
    for (const sample of window.samples) {
      signal?.throwIfAborted()
      const load = window.loads.get(index.blockOf[sample]!)!
      // Loads are wanted in the order in which they were begun.
      if (ahead[0] === load) ahead.shift()
      readOn()
      yield await sampleAt(store, index, { sample, block: await load.bytes! })
      if (--load.left === 0) load.bytes = null
    }
    readOn()
  }
}

/** The blocks of all windows in the order in which they are wanted first; tells of each window before its blocks. */
function* loadsOf(
  index: StreamIndex,
  windows: Iterable<Uint32Array>,
  onWindow: (window: Window) => void,
): Generator<Load, void> {
  for (const samples of windows) {
    const loads = new Map<number, Load>()
    for (const sample of samples) {
      const block = index.blockOf[sample]!
      const load = loads.get(block)
      if (load) load.left++
      else loads.set(block, { block, left: 1, bytes: null })
    }
    onWindow({ samples, loads })
    yield* loads.values()
  }
}

async function readBlock(store: ObjectStore, index: StreamIndex, block: number): Promise<Uint8Array> {
  const first = index.blockStarts[block]!
  const last = index.blockStarts[block + 1]! - 1
  const start = index.offset[first]!
  const place = index.places[index.place[first]!]!
  if ('uri' in place)
    return readImage(store, {
      digest: digestAt(index, first),
      pack: null,
      offset: 0,
      sizeBytes: index.size[first]!,
      ...place,
    })
  return readPack(store, place.sha256, start, index.offset[last]! + index.size[last]! - start)
}

async function sampleAt(
  store: ObjectStore,
  index: StreamIndex,
  { sample, block }: { readonly sample: number; readonly block: Uint8Array },
): Promise<Sample> {
  const first = index.blockStarts[index.blockOf[sample]!]!
  const from = index.offset[sample]! - index.offset[first]!
  const bytes = block.subarray(from, from + index.size[sample]!)
  const digest = digestAt(index, sample)
  if (sha256Hex(bytes) === digest) return { digest, label: index.label[sample]!, bytes }
  await refuseDeleted(store, digest)
  throw new PlatformError(
    'OBJECT_CORRUPT',
    `image ${digest} does not have its digest; restore its pack from a backup`,
    { digest },
  )
}
