/**
 * The sums over labelled images that a ridge is fitted from, kept up as labels come, change and go: a fit pays for what
 * has changed.
 *
 * Features are rounded to multiples of 2⁻¹⁶. None is larger than one, so every sum of at most 2²¹ products is a float64
 * without rounding, and the result has the same bits in whichever order images came, went or came back: a session that
 * was restarted goes on as if it had not been.
 */

import { breathe, product, selectRows, type Matrix, type RidgeMoments, type StopOptions } from '#core/inference'
import { featuresOf, type Features } from './features.ts'

/** Plain data in shared memory: whichever thread fits next goes on with it. */
export interface LabelMoments {
  /** Class under which each image is summed, −1 for none, [n]. */
  readonly summed: Int32Array
  /** Sum of x·xᵀ, [m, m]. */
  readonly gram: Float64Array
  /** Sum of the features of each class, [classes, m]. */
  readonly byClass: Float64Array
  readonly classes: number
}

const STEP = 2 ** -16
const ROWS_AT_ONCE = 1024

export function noMoments({ coordinates, landmarks }: Features, classes: number): LabelMoments {
  const doubles = (length: number) => new Float64Array(new SharedArrayBuffer(8 * length))
  return {
    summed: new Int32Array(new SharedArrayBuffer(4 * coordinates.rows)).fill(-1),
    gram: doubles(landmarks.rows ** 2),
    byClass: doubles(classes * landmarks.rows),
    classes,
  }
}

/** Features of these images, [images, m], as they are summed. */
export async function roundedFeatures(
  features: Features,
  images: ArrayLike<number>,
  options: StopOptions = {},
): Promise<Matrix> {
  const rows = await featuresOf(features, images, options)
  for (let i = 0; i < rows.data.length; i++) rows.data[i] = Math.round(rows.data[i]! / STEP) * STEP
  return rows
}

/**
 * Brings the sums up to these labels. Whatever stops it half-way, `summed` says what is summed.
 *
 * @param labels - class of each labelled image, −1 for the others, [n].
 */
export async function bringUp(
  moments: LabelMoments,
  features: Features,
  labels: Int32Array,
  options: StopOptions = {},
): Promise<void> {
  const { summed } = moments
  const [gone, labelled] = [count(summed, (image) => labels[image]! < 0), count(labels, () => true)]
  if (gone > labelled / 2) forgetAll(moments)
  const changed = Int32Array.from(labels.keys()).filter((image) => labels[image] !== summed[image])
  for (let start = 0; start < changed.length; start += ROWS_AT_ONCE) {
    await breathe(options.signal)
    const images = changed.subarray(start, start + ROWS_AT_ONCE)
    const rows = await roundedFeatures(features, images, options)
    const only = (wanted: (image: number) => boolean): Promise<Float64Array> =>
      gramOf(
        selectRows(
          rows,
          Int32Array.from(images.keys()).filter((row) => wanted(images[row]!)),
        ),
      )
    const came = await only((image) => summed[image]! < 0)
    const went = await only((image) => labels[image]! < 0)
    // Nothing below waits: the sums and `summed` change together.
    for (let i = 0; i < came.length; i++) moments.gram[i]! += came[i]!
    for (let i = 0; i < went.length; i++) moments.gram[i]! -= went[i]!
    for (const [row, image] of images.entries()) {
      addRow(moments, summed[image]!, rows, row, -1)
      addRow(moments, labels[image]!, rows, row, 1)
      summed[image] = labels[image]!
    }
  }
}

/** As the ridge of one-hot targets takes them. */
export function ridgeMoments({ summed, gram, byClass, classes }: LabelMoments): RidgeMoments {
  const m = byClass.length / classes
  const cross = new Float64Array(m * classes)
  const featureSums = new Float64Array(m)
  for (let c = 0; c < classes; c++)
    for (let j = 0; j < m; j++) {
      cross[j * classes + c] = byClass[c * m + j]!
      featureSums[j]! += byClass[c * m + j]!
    }
  const targetSums = new Float64Array(classes)
  for (const label of summed) if (label >= 0) targetSums[label]! += 1
  return {
    gram: { data: gram, rows: m, cols: m },
    cross: { data: cross, rows: m, cols: classes },
    ...{ featureSums, targetSums },
    weight: targetSums.reduce((sum, size) => sum + size, 0),
  }
}

function forgetAll({ summed, gram, byClass }: LabelMoments): void {
  summed.fill(-1)
  gram.fill(0)
  byClass.fill(0)
}

/** Labelled images that fit. */
function count(labels: Int32Array, fits: (image: number) => boolean): number {
  let found = 0
  for (let image = 0; image < labels.length; image++) if (labels[image]! >= 0 && fits(image)) found += 1
  return found
}

async function gramOf({ data, rows, cols }: Matrix): Promise<Float64Array> {
  if (rows === 0) return new Float64Array()
  const block = { data: Float64Array.from(data), rows, cols }
  return (await product('tn', block, block)).data
}

function addRow({ byClass }: LabelMoments, label: number, { data, cols }: Matrix, row: number, sign: 1 | -1): void {
  if (label < 0) return
  for (let j = 0; j < cols; j++) byClass[label * cols + j]! += sign * data[row * cols + j]!
}
