/**
 * Groups image embeddings so that people label one representative per look, not near-duplicates.
 *
 * Lloyd's k-means. Seeds are drawn as in k-means++ (Arthur & Vassilvitskii, SODA 2007), in a few rounds of many draws
 * each instead of k rounds of one (Bahmani et al., VLDB 2012). Large sets are clustered by at most 256 evenly spaced rows
 * a cluster, as FAISS does by default (Johnson, Douze & Jégou, 2017), and all rows are assigned in one last pass: memory
 * holds the sample and 12 bytes a row, however many rows there are. Cost O(n·k·d) per pass. The same rows, k and seed
 * always give the same clusters, with any number of threads.
 */

import { PlatformError } from '#core/errors'
import { breathe, evenlySpaced, matrix, rowsOf, selectRows, type Matrix, type SessionPool } from '#core/inference'
import { nearest, openNearest, squaredNorms, type Nearest } from './nearest.ts'
import { seededRandom, type Random } from './random.ts'

/** Rows that need not be in memory all at once. */
export interface RowSource {
  readonly rows: number
  readonly cols: number
  /** @param indices - ascending. */
  read(indices: Int32Array): Promise<Matrix>
}

export interface KMeansOptions {
  /** Number of clusters, 1 ≤ k ≤ n. */
  readonly k: number
  readonly seed: number
  readonly iterations?: number
  /** Compares directions only: rows and centroids are scaled to unit length. */
  readonly spherical?: boolean
  /** Rows per cluster that the clusters are made of, where there are more. */
  readonly rowsPerCluster?: number
  readonly signal?: AbortSignal
  readonly onIteration?: (done: number, total: number) => void
}

export interface Clustering {
  /** [n], values in [0, k). Every cluster has at least one row. */
  readonly assignment: Int32Array
  /** [k, d]. */
  readonly centroids: Matrix
  /** Sum of squared distances to the centroids. */
  readonly inertia: number
}

const SEEDING_ROUNDS = 24
/** Seeds are drawn from so many evenly spaced rows, or from 32 for each where that is more. */
const MIN_SEEDING_ROWS = 20_000
const SEEDING_ROWS_PER_CLUSTER = 32
/** Stops when fewer than one row in a thousand changes its cluster. */
const SETTLED_SHARE = 1e-3
const ROWS_PER_READ = 32_768
/** Values added up between two looks at the abort signal. */
const VALUES_PER_BREATH = 16_000_000

/**
 * @param embeddings - float32, shape [n, d], row-major; rows need not be unit length.
 * @throws {PlatformError} `CLUSTERING_TOO_FEW_IMAGES` when k > n.
 */
export async function kMeans(embeddings: Matrix | RowSource, options: KMeansOptions): Promise<Clustering> {
  const { k, rowsPerCluster = 256, iterations = 12, onIteration } = options
  const source = 'data' in embeddings ? rowsInMemory(embeddings) : embeddings
  const { rows, cols } = source
  if (k > rows)
    throw new PlatformError(
      'CLUSTERING_TOO_FEW_IMAGES',
      `k=${k} exceeds the ${rows} images in the version; lower k or add images`,
      { k, images: rows },
    )
  const sampled = Math.min(rows, rowsPerCluster * k)
  const passes = iterations + (sampled < rows ? 1 : 0)
  const pool = await openNearest(sampled * k * cols)
  try {
    const whole = 'data' in embeddings && sampled === rows && !options.spherical
    const points = whole ? embeddings : await gather(source, evenlySpaced(rows, sampled), options)
    const found = await lloyd(pool, points, {
      ...options,
      iterations,
      onIteration: (done) => onIteration?.(done, passes),
    })
    if (sampled === rows) return found
    const all = await assignAll(pool, source, found.centroids, options)
    onIteration?.(passes, passes)
    return all
  } finally {
    await pool.close()
  }
}

async function lloyd(
  pool: SessionPool,
  points: Matrix,
  { k, seed, iterations, spherical, signal, onIteration }: KMeansOptions & { iterations: number },
): Promise<Clustering> {
  const norms = squaredNorms(points)
  let centroids = await seedCentroids(pool, points, { k, random: seededRandom(seed), signal })
  let previous: Int32Array = new Int32Array(points.rows).fill(-1)
  for (let done = 1; ; done++) {
    const found = await nearest(pool, points, centroids, { norms, signal })
    fillEmptyClusters(found, k)
    const { assignment } = found
    let changed = 0
    for (let i = 0; i < assignment.length; i++) if (assignment[i] !== previous[i]) changed++
    onIteration?.(done, iterations)
    if (done >= iterations || changed <= SETTLED_SHARE * points.rows)
      return { assignment, centroids, inertia: sumOf(found.distances) }
    previous = assignment
    centroids = await meansOf(points, assignment, k, signal)
    if (spherical) toUnitRows(centroids)
  }
}

/** The cluster of every row, a block of rows in memory at a time. */
async function assignAll(
  pool: SessionPool,
  source: RowSource,
  centroids: Matrix,
  options: KMeansOptions,
): Promise<Clustering> {
  const all = { assignment: new Int32Array(source.rows), distances: new Float64Array(source.rows) }
  for (let start = 0; start < source.rows; start += ROWS_PER_READ) {
    const count = Math.min(ROWS_PER_READ, source.rows - start)
    const block = await gather(
      source,
      Int32Array.from({ length: count }, (_, i) => start + i),
      options,
    )
    const { assignment, distances } = await nearest(pool, block, centroids, { signal: options.signal })
    all.assignment.set(assignment, start)
    all.distances.set(distances, start)
  }
  fillEmptyClusters(all, centroids.rows)
  return { assignment: all.assignment, centroids, inertia: sumOf(all.distances) }
}

/** A copy of these rows, read in blocks; of unit length where directions count. */
async function gather(source: RowSource, indices: Int32Array, { spherical, signal }: KMeansOptions): Promise<Matrix> {
  const out = matrix(indices.length, source.cols)
  for (let start = 0; start < indices.length; start += ROWS_PER_READ) {
    await breathe(signal)
    const block = await source.read(indices.subarray(start, start + ROWS_PER_READ))
    out.data.set(block.data, start * source.cols)
    if (spherical) toUnitRows(rowsOf(out, start, start + block.rows))
  }
  return out
}

function rowsInMemory(m: Matrix): RowSource {
  return { rows: m.rows, cols: m.cols, read: (indices) => Promise.resolve(selectRows(m, indices)) }
}

interface SeedingOptions {
  readonly k: number
  readonly random: Random
  readonly signal: AbortSignal | undefined
}

/** Draws k distinct rows, each round in proportion to the squared distance from those drawn in earlier rounds. */
async function seedCentroids(pool: SessionPool, all: Matrix, { k, random, signal }: SeedingOptions): Promise<Matrix> {
  const drawnFrom = Math.max(MIN_SEEDING_ROWS, SEEDING_ROWS_PER_CLUSTER * k)
  const points = all.rows > drawnFrom ? selectRows(all, evenlySpaced(all.rows, drawnFrom)) : all
  const norms = squaredNorms(points)
  const distancesTo = async (rows: readonly number[]): Promise<Float64Array> =>
    (await nearest(pool, points, selectRows(points, rows), { norms, signal })).distances
  const chosen = [Math.floor(random() * points.rows)]
  const distances = await distancesTo(chosen)
  const perRound = Math.ceil((k - 1) / SEEDING_ROUNDS)
  while (chosen.length < k) {
    const fresh = drawDistinct(distances, Math.min(perRound, k - chosen.length), random, chosen)
    chosen.push(...fresh)
    if (chosen.length === k) break
    const toFresh = await distancesTo(fresh)
    for (let i = 0; i < distances.length; i++) distances[i] = Math.min(distances[i]!, toFresh[i]!)
  }
  return selectRows(points, chosen)
}

/** `count` distinct rows in proportion to their weights; rows without weight come last, in order. */
function drawDistinct(weights: Float64Array, count: number, random: Random, taken: readonly number[]): number[] {
  const cumulative = new Float64Array(weights.length)
  let total = 0
  for (let i = 0; i < weights.length; i++) cumulative[i] = total += weights[i]!
  const known = new Set(taken)
  const drawn: number[] = []
  for (let tries = 0; drawn.length < count && tries < 20 * count && total > 0; tries++) {
    const row = firstAbove(cumulative, random() * total)
    if (known.has(row)) continue
    known.add(row)
    drawn.push(row)
  }
  for (let row = 0; drawn.length < count; row++) if (!known.has(row)) drawn.push(row)
  return drawn
}

/** The first index whose value is above `x`, in ascending values. */
function firstAbove(values: Float64Array, x: number): number {
  let low = 0
  let high = values.length - 1
  while (low < high) {
    const middle = (low + high) >> 1
    if (values[middle]! > x) high = middle
    else low = middle + 1
  }
  return low
}

/** Gives each empty cluster the row that lies farthest from its centroid, out of a cluster that keeps others. */
function fillEmptyClusters({ assignment, distances }: Nearest, k: number): void {
  const sizes = new Int32Array(k)
  for (const cluster of assignment) sizes[cluster]!++
  const empty = Array.from({ length: k }, (_, c) => c).filter((c) => sizes[c] === 0)
  if (empty.length === 0) return
  const farthest = Array.from({ length: assignment.length }, (_, i) => i).sort(
    (a, b) => distances[b]! - distances[a]! || a - b,
  )
  let next = 0
  for (const cluster of empty) {
    while (sizes[assignment[farthest[next]!]!]! < 2) next++
    const row = farthest[next++]!
    sizes[assignment[row]!]!--
    assignment[row] = cluster
    distances[row] = 0
    sizes[cluster] = 1
  }
}

/** The mean of each cluster's rows, [k, d]. */
async function meansOf(points: Matrix, assignment: Int32Array, k: number, signal?: AbortSignal): Promise<Matrix> {
  const { data, cols } = points
  const sums = new Float64Array(k * cols)
  const sizes = new Float64Array(k)
  const rowsPerBreath = Math.ceil(VALUES_PER_BREATH / cols)
  for (let i = 0; i < points.rows; i++) {
    if (i % rowsPerBreath === 0) await breathe(signal)
    const cluster = assignment[i]!
    sizes[cluster]!++
    for (let j = 0; j < cols; j++) sums[cluster * cols + j]! += data[i * cols + j]!
  }
  const means = matrix(k, cols)
  for (let at = 0; at < sums.length; at++) means.data[at] = sums[at]! / sizes[Math.floor(at / cols)]!
  return means
}

/** In place; rows of zeros stay. */
function toUnitRows(m: Matrix): void {
  const norms = squaredNorms(m)
  for (let i = 0; i < m.rows; i++) {
    const length = Math.sqrt(norms[i]! || 1)
    for (let at = i * m.cols; at < (i + 1) * m.cols; at++) m.data[at]! /= length
  }
}

function sumOf(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0)
}
