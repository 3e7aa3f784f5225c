/**
 * Learns an embedder from images alone: no labels, no pretrained weights, seconds on a CPU.
 *
 * Its parts (`patches` unless others are asked for) describe an image each in its own way; their numbers are centred and
 * scaled to variance 1, so that a linear model does well on top. Several parts get their share of the variance each, and
 * are whitened half way: of the principal components, the first are kept, each divided by the square root of its standard
 * deviation. Whitening all the way would make noise as loud as what tells images apart (docs/embedding.md has figures).
 * Equal images, options and seed give an equal file.
 */

import { evenlySpaced, matrix, type Matrix, type Tensors } from '#core/inference'
import type { PixelSize } from '#core/images'
import type { FittedName } from './choice.ts'
import { colourPart } from './colour.ts'
import { embedderModel, type EmbedderParts, type Standardisation } from './embedder-model.ts'
import { patchPart, whitenedPatchPart, type LearningOptions } from './filter-parts.ts'
import { hogPart } from './hog.ts'
import type { Part } from './part.ts'
import { shrink, toPlanes, type Planes } from './patches.ts'
import type { Embedder } from './user-embedder.ts'
import { whiteningDirections } from './whitening.ts'

export interface FitOptions {
  /** In the order of the embedding; `patches` alone where left out. */
  readonly parts?: readonly FittedName[]
  /** Comes after the parts; takes images of the same size. */
  readonly beside?: Embedder | undefined
  /** Length of what `patches` gives, at most: it is divided evenly among scales and features. */
  readonly dims: number
  /** Keeps so many components of all parts together, whitened half way. */
  readonly whiten?: number | null
  readonly seed: number
  readonly signal?: AbortSignal
  readonly onProgress?: (note: string) => void
}

/** Runs a model over the training images, in their order: the caller knows where sessions may run. */
export type Embed = (model: Uint8Array) => Promise<Matrix>

/** Images that patches, standardisation and components are taken from, at most. */
const FITTING_IMAGES = 2_000
/** Parts see an image at this side or less: beside an embedder for large images, it is shrunk for them. */
const LARGEST_SIDE = 64

/**
 * @param images - training images, uint8 [height, width, 3] each, at least one.
 * @returns the ONNX file, uint8 [N, H, W, 3] `images` → float32 [N, dims] `embedding`, and the length of the embedding.
 */
export async function fitEmbedder(
  images: readonly Uint8Array[],
  size: PixelSize,
  embed: Embed,
  options: FitOptions,
): Promise<{ model: Uint8Array; dims: number }> {
  const { parts: names = ['patches'], beside, whiten, signal, onProgress = () => {} } = options
  const channels = images.every(isGrey) ? 1 : 3
  const shrunk = Math.ceil(Math.min(size.height, size.width) / LARGEST_SIDE)
  // Shrunk one by one: whole planes of 2,000 large images would take a gigabyte.
  const see = (pixels: Uint8Array): Planes => {
    const planes = toPlanes(pixels, size, channels)
    return shrunk === 1 ? planes : shrink(planes, shrunk)
  }
  const seen = names.length > 0 ? images.map(see) : []
  const parts: Part[] = []
  for (const name of names) parts.push(await fitPart(name, seen, options.dims, { ...options, onProgress }))
  const embedder: EmbedderParts = { size, channels, shrunk, parts, beside }
  onProgress('standardising')
  const plain = await embed(embedderModel(embedder))
  const standardisation = standardisationOf(plain)
  if (whiten == null) return { model: embedderModel({ ...embedder, standardisation }), dims: plain.cols }
  onProgress('whitening')
  weigh(standardisation, [...parts, ...(beside ? [{ dims: beside.dims, weight: 1 }] : [])])
  const directions = await whiteningDirections(standardised(plain, standardisation), whiten, signal)
  return { model: embedderModel({ ...embedder, standardisation, directions }), dims: directions.cols }
}

/** Which of `available` training images to fit on: evenly spaced. */
export function fittingSample(available: readonly number[]): number[] {
  return Array.from(evenlySpaced(available.length, FITTING_IMAGES), (i) => available[i]!)
}

/** Packs images into the input of an embedder. */
export function imagesTensor(pixels: Uint8Array, { height, width }: PixelSize): Tensors {
  const count = pixels.length / (height * width * 3)
  return { images: { type: 'uint8', data: pixels, dims: [count, height, width, 3] } }
}

async function fitPart(
  name: FittedName,
  images: readonly Planes[],
  dims: number,
  options: LearningOptions,
): Promise<Part> {
  const channels = images[0]!.channels as 1 | 3
  switch (name) {
    case 'patches':
      return patchPart(images, dims, options)
    case 'whitened-patches':
      return whitenedPatchPart(images, options)
    case 'hog':
      return hogPart(images[0]!, channels)
    case 'colour':
      return colourPart(images[0]!, channels)
  }
}

/** Equal channels up to the rounding of colour codecs. */
function isGrey(pixels: Uint8Array): boolean {
  for (let i = 0; i < pixels.length; i += 3)
    if (Math.abs(pixels[i]! - pixels[i + 1]!) > 2 || Math.abs(pixels[i]! - pixels[i + 2]!) > 2) return false
  return true
}

function standardisationOf(m: Matrix): Standardisation {
  const means = new Float64Array(m.cols)
  const squares = new Float64Array(m.cols)
  for (let i = 0; i < m.rows; i++)
    for (let j = 0; j < m.cols; j++) {
      const value = m.data[i * m.cols + j]!
      means[j]! += value / m.rows
      squares[j]! += (value * value) / m.rows
    }
  const mean = Float32Array.from(means)
  // A feature that never varied says nothing; the floor keeps it from shouting on the first image where it does.
  const scale = Float32Array.from(squares, (square, j) => 1 / Math.sqrt(Math.max(square - means[j]! ** 2, 0) + 1e-4))
  return { mean, scale }
}

function standardised({ data, rows, cols }: Matrix, { mean, scale }: Standardisation): Matrix {
  return matrix(
    rows,
    cols,
    data.map((x, i) => (x - mean[i % cols]!) * scale[i % cols]!),
  )
}

/** In place: each part gets its share of the variance, whatever its length. */
function weigh({ scale }: Standardisation, parts: readonly Pick<Part, 'dims' | 'weight'>[]): void {
  let from = 0
  for (const { dims, weight } of parts) {
    for (let j = from; j < from + dims; j++) scale[j]! *= Math.sqrt(weight / dims)
    from += dims
  }
}
