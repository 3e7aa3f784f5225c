/** The parts that are learnt: dictionaries of small patches at two or three scales, and what of them an image shows. */

import { seededRandom } from '#core/clustering'
import type { PixelSize } from '#core/images'
import { addFilterFeatures, FEATURES_PER_MAP, PATCH_SIDE, type Encoding, type Scale } from './filter-features.ts'
import { learnFilters, type FilterOptions } from './filters.ts'
import type { Part } from './part.ts'
import { samplePatches, shrink, type Planes } from './patches.ts'

export interface LearningOptions {
  readonly seed: number
  readonly signal?: AbortSignal | undefined
  readonly onProgress: (note: string) => void
}

const PATCHES_PER_SCALE = 40_000
const PATCHES_PER_IMAGE = 100
/** The smallest side that is still halved: below, patches would cover the whole image. */
const SMALLEST_HALVED_SIDE = 24
/** From this side on, the finest scale visits every second position: four times cheaper, and the halved scale sees the rest. */
const STRIDE_FROM_SIDE = 48
/** Patches in the dictionary of a scale: twice as many maps. */
const DICTIONARY_PATCHES = 256

/**
 * k-means filters whose responses, above a threshold, are averaged over the four quarters of the image, for texture and
 * layout, and whose maximum is kept, for small things anywhere (Coates, Lee & Ng, AISTATS 2011).
 *
 * @param dims - at most: divided evenly among scales and features.
 */
export async function patchPart(images: readonly Planes[], dims: number, options: LearningOptions): Promise<Part> {
  const filters = Math.max(1, Math.floor(dims / (FEATURES_PER_MAP * scaleCount(images[0]!))))
  return learnPart(images, { ...options, filters, dictionary: 'means' }, PATCHES)
}

/**
 * A dictionary of whitened patches of the images themselves, and to which of them, or of their negatives, each patch of an
 * image is among the nearest (Thiry, Arbel, Belilovsky & Oyallon, ICLR 2021). Instead of sorting all likenesses at each
 * place, those beyond the root mean square of all are taken, about a sixth, by how far they are beyond it.
 */
export function whitenedPatchPart(images: readonly Planes[], options: LearningOptions): Promise<Part> {
  return learnPart(images, { ...options, filters: DICTIONARY_PATCHES, dictionary: 'patches' }, WHITENED_PATCHES)
}

interface Kind {
  readonly name: string
  readonly prefix: string
  readonly encoding: Encoding
}

/** Thresholds in units of whitened patches, and of the root mean square. */
const PATCHES: Kind = { name: 'patch', prefix: '', encoding: { relative: false, threshold: 0.25 } }
const WHITENED_PATCHES: Kind = {
  name: 'whitened patch',
  prefix: 'whitened/',
  encoding: { relative: true, threshold: 1 },
}

async function learnPart(
  images: readonly Planes[],
  { filters, dictionary, seed, signal, onProgress }: LearningOptions & Pick<FilterOptions, 'filters' | 'dictionary'>,
  { name, prefix, encoding }: Kind,
): Promise<Part> {
  const { height, width, channels } = images[0]!
  const count = scaleCount({ height, width })
  let planes = images
  const scales: Scale[] = []
  for (let s = 0; s < count; s++) {
    if (s > 0) planes = planes.map((image) => shrink(image, 2))
    onProgress(`learning filters, scale ${s + 1} of ${count}`)
    scales.push(await learnScale(planes, { filters, dictionary, seed: seed + s, ...(signal ? { signal } : {}) }))
  }
  const maps = (encoding.relative ? 2 : 1) * scales.reduce((sum, { bank }) => sum + bank.weights.rows, 0)
  const features = { prefix, size: { height, width }, channels: channels as 1 | 3, scales, encoding }
  return {
    name,
    dims: FEATURES_PER_MAP * maps,
    weight: 1,
    add: (graph, input) => addFilterFeatures(graph, input, features),
  }
}

async function learnScale(planes: readonly Planes[], options: FilterOptions): Promise<Scale> {
  const count = Math.min(PATCHES_PER_SCALE, PATCHES_PER_IMAGE * planes.length)
  const patches = samplePatches(planes, PATCH_SIDE, count, seededRandom(options.seed))
  return { bank: await learnFilters(patches, options), stride: strideOf(planes[0]!) }
}

function scaleCount({ height, width }: PixelSize): number {
  let count = 1
  for (let side = Math.min(height, width); side >= SMALLEST_HALVED_SIDE && count < 3; side >>= 1) count++
  return count
}

function strideOf({ height, width }: PixelSize): number {
  return Math.min(height, width) >= STRIDE_FROM_SIDE ? 2 : 1
}
