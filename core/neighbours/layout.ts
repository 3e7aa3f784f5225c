/**
 * A map of images in two dimensions on which look-alikes lie together.
 *
 * Landmarks, evenly spaced among the images (their order is that of digests, and so random), are laid out by t-SNE
 * (van der Maaten & Hinton, JMLR 2008) that starts from the two strongest principal axes, which keeps the large-scale
 * shape (Kobak & Berens, Nature Communications 2019). Each other image goes to the mean of its nearest landmarks, weighted
 * by likeness. Cost O(m²) an iteration for m ≤ 1,500 landmarks and O(n·m) products for n images: bounded for a million.
 * Equal vectors give an equal map.
 */
import { breathe, evenlySpaced, matrix, product, readMatrixFile, type Matrix, type SessionPool } from '#core/inference'
import { nearestIn, type VectorFile } from './nearest.ts'
import { readRows } from './space.ts'

const LANDMARKS = 1_500
const PERPLEXITY = 30
const ITERATIONS = 300
/** Attraction is exaggerated at first, so that groups form before they are pushed apart. */
const EXAGGERATED_ITERATIONS = 80
const EXAGGERATION = 12
const NEAREST_LANDMARKS = 8
const ROWS_PER_BLOCK = 2_048

export interface LayoutOptions {
  readonly signal: AbortSignal
  /** Images that are laid out with regard to each other. */
  readonly landmarks?: number
  onProgress(done: number, total: number): void
}

/** @returns float32 [rows, 2], centred, the largest coordinate ±1. */
export async function layOut(
  pool: SessionPool,
  vectors: VectorFile,
  { signal, landmarks: most = LANDMARKS, onProgress }: LayoutOptions,
): Promise<Float32Array> {
  const { file, rows, dims } = vectors
  const landmarks = evenlySpaced(rows, most)
  const looks = await readMatrixFile(file, { rows, cols: dims, only: landmarks })
  const total = ITERATIONS + rows
  const placed = await embed(looks, { signal, onIteration: (done) => onProgress(done, total) })
  const map = new Float32Array(rows * 2)
  for (let start = 0; start < rows; start += ROWS_PER_BLOCK) {
    await breathe(signal)
    const block = await readRows(file, { start, count: Math.min(ROWS_PER_BLOCK, rows - start), rows, cols: dims })
    map.set(await placeAmong(pool, block, looks, placed), start * 2)
    onProgress(ITERATIONS + start + block.rows, total)
  }
  for (const [i, row] of landmarks.entries()) map.set(placed.subarray(i * 2, i * 2 + 2), row * 2)
  return normalised(map)
}

/** Each row at the mean of its nearest landmarks, weighted by how much nearer each is than the farthest of them. */
async function placeAmong(
  pool: SessionPool,
  block: Matrix,
  looks: Matrix,
  placed: Float64Array,
): Promise<Float32Array> {
  const among = matrix(looks.rows, looks.cols, looks.data.slice())
  const nearest = await nearestIn(pool, among, block, NEAREST_LANDMARKS + 1)
  const places = new Float32Array(block.rows * 2)
  for (const [i, neighbours] of nearest.entries()) {
    const floor = neighbours.at(-1)!.similarity
    const weights = neighbours.map(({ similarity }) => (similarity - floor + 1e-6) ** 2)
    const sum = weights.reduce((a, b) => a + b, 0)
    for (const [j, { row }] of neighbours.entries()) {
      places[i * 2]! += (weights[j]! / sum) * placed[row * 2]!
      places[i * 2 + 1]! += (weights[j]! / sum) * placed[row * 2 + 1]!
    }
  }
  return places
}

/** [2 · rows] each, overwritten. */
interface Forces {
  readonly pull: Float64Array
  readonly push: Float64Array
  readonly forces: Float64Array
}

interface EmbedHooks {
  readonly signal: AbortSignal
  onIteration(done: number): void
}

/** t-SNE of a few thousand unit-length rows, all pairs. @returns float64 [rows, 2]. */
async function embed(looks: Matrix, { signal, onIteration }: EmbedHooks): Promise<Float64Array> {
  const n = looks.rows
  const places = principalStart(looks)
  if (n < 4) return places
  const attraction = await jointProbabilities(looks)
  const momentum = new Float64Array(2 * n)
  const gains = new Float64Array(2 * n).fill(1)
  const forces = new Float64Array(2 * n)
  const scratch = { pull: new Float64Array(2 * n), push: new Float64Array(2 * n), forces }
  // As in scikit-learn: n / exaggeration, at least 50 (Belkina et al., Nature Communications 2019).
  const rate = Math.max(n / EXAGGERATION, 50)
  for (let iteration = 0; iteration < ITERATIONS; iteration++) {
    await breathe(signal)
    const early = iteration < EXAGGERATED_ITERATIONS
    forcesOn(places, attraction, { ...scratch, exaggeration: early ? EXAGGERATION : 1 })
    const kept = early ? 0.5 : 0.8
    for (let k = 0; k < places.length; k++) {
      gains[k] = forces[k]! > 0 === momentum[k]! > 0 ? Math.max(0.01, gains[k]! * 0.8) : gains[k]! + 0.2
      momentum[k] = kept * momentum[k]! - rate * gains[k]! * forces[k]!
      places[k]! += momentum[k]!
    }
    onIteration(iteration + 1)
  }
  return places
}

/** The first two coordinates, small: those of the principal axes. */
function principalStart({ data, rows, cols }: Matrix): Float64Array {
  const places = new Float64Array(rows * 2)
  let sum = 0
  for (let i = 0; i < rows; i++) {
    places[i * 2] = data[i * cols]!
    places[i * 2 + 1] = cols > 1 ? data[i * cols + 1]! : 0
    sum += places[i * 2]! ** 2
  }
  const deviation = Math.sqrt(sum / rows) || 1
  return places.map((value) => (value / deviation) * 1e-4)
}

/**
 * Gradient of the Kullback–Leibler divergence: pairs attract as they are alike, and all repel by Student's t kernel. One
 * pass over all pairs: what repels is divided by the sum of kernels afterwards.
 */
function forcesOn(
  places: Float64Array,
  attraction: Float32Array,
  { pull, push, forces, exaggeration }: Forces & { readonly exaggeration: number },
): void {
  const n = places.length / 2
  pull.fill(0)
  push.fill(0)
  let sum = 0
  for (let i = 0; i < n; i++) {
    const x = places[2 * i]!
    const y = places[2 * i + 1]!
    let [pullX, pullY, pushX, pushY] = [0, 0, 0, 0]
    for (let j = i + 1, at = i * n + j; j < n; j++, at++) {
      const dx = x - places[2 * j]!
      const dy = y - places[2 * j + 1]!
      const near = 1 / (1 + dx * dx + dy * dy)
      sum += near
      const pulled = attraction[at]! * near
      const pushed = near * near
      pullX += pulled * dx
      pullY += pulled * dy
      pushX += pushed * dx
      pushY += pushed * dy
      pull[2 * j]! -= pulled * dx
      pull[2 * j + 1]! -= pulled * dy
      push[2 * j]! -= pushed * dx
      push[2 * j + 1]! -= pushed * dy
    }
    pull[2 * i]! += pullX
    pull[2 * i + 1]! += pullY
    push[2 * i]! += pushX
    push[2 * i + 1]! += pushY
  }
  for (let k = 0; k < forces.length; k++) forces[k] = 4 * (exaggeration * pull[k]! - push[k]! / (2 * sum))
}

/** How alike each pair is, [n, n] symmetric, summing to 1: Gaussian neighbourhoods of equal perplexity. */
async function jointProbabilities(looks: Matrix): Promise<Float32Array> {
  const n = looks.rows
  const { data: cosines } = await product('nt', looks, looks)
  const joint = new Float32Array(n * n)
  const weights = new Float64Array(n)
  const entropy = Math.log(Math.min(PERPLEXITY, (n - 1) / 3))
  for (let i = 0; i < n; i++) {
    neighbourhood(cosines.subarray(i * n, (i + 1) * n), i, { weights, entropy })
    for (let j = 0; j < n; j++) {
      const share = weights[j]! / (2 * n)
      joint[i * n + j]! += share
      joint[j * n + i]! += share
    }
  }
  return joint
}

/** Weights of row `self`'s neighbours, summing to 1, at the width where their entropy is as wanted; found by bisection. */
function neighbourhood(
  cosines: Float32Array,
  self: number,
  { weights, entropy }: { weights: Float64Array; entropy: number },
): void {
  let [low, high, beta] = [0, Infinity, 1]
  const nearest = cosines.reduce((best, cosine, j) => (j === self ? best : Math.max(best, cosine)), -1)
  for (let round = 0; round < 50; round++) {
    let [sum, weighted] = [0, 0]
    for (let j = 0; j < weights.length; j++) {
      const distance = 2 * (nearest - cosines[j]!) // Of unit vectors squared, above the least.
      const weight = j === self ? 0 : Math.exp(-beta * distance)
      weights[j] = weight
      sum += weight
      weighted += weight * distance
    }
    for (let j = 0; j < weights.length; j++) weights[j]! /= sum
    const difference = Math.log(sum) + (beta * weighted) / sum - entropy
    if (Math.abs(difference) < 1e-4) return
    if (difference > 0) {
      low = beta
      beta = high === Infinity ? beta * 2 : (beta + high) / 2
    } else {
      high = beta
      beta = (beta + low) / 2
    }
  }
}

function normalised(map: Float32Array): Float32Array {
  const middle = [0, 0]
  for (let k = 0; k < map.length; k++) middle[k % 2]! += map[k]! / (map.length / 2)
  let reach = 0
  for (let k = 0; k < map.length; k++) {
    map[k]! -= middle[k % 2]!
    reach = Math.max(reach, Math.abs(map[k]!))
  }
  return reach > 0 ? map.map((value) => value / reach) : map
}
