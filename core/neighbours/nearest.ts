/**
 * The rows of a file that are nearest to some vectors, found exactly: ONNX Runtime compares block by block, so memory
 * does not grow with the file. Cost O(n·d) a vector, about a tenth of a second for a million images.
 */
import { availableParallelism } from 'node:os'
import {
  mapInOrder,
  matrix,
  OnnxGraph,
  openSessionPool,
  type Matrix,
  type SessionPool,
  type Tensor,
} from '#core/inference'
import { readRows } from './space.ts'

/** 8 MiB at 64 dimensions. */
const ROWS_PER_BLOCK = 32_768

export interface Neighbour {
  readonly row: number
  /** Cosine, −1 to 1. */
  readonly similarity: number
}

export interface VectorFile {
  readonly file: string
  readonly rows: number
  readonly dims: number
}

export function openNearest(): Promise<SessionPool> {
  return openSessionPool(nearestModel(), { threads: Math.min(2, availableParallelism()) })
}

/**
 * @param queries - unit-length, [q, dims].
 * @returns of each query the `count` rows with the largest inner product, best first; equal ones by row.
 */
export async function nearestRows(
  pool: SessionPool,
  { file, rows, dims }: VectorFile,
  queries: Matrix,
  count: number,
): Promise<Neighbour[][]> {
  const best: Neighbour[][] = Array.from({ length: queries.rows }, () => [])
  const compare = async (start: number): Promise<{ start: number; found: Neighbour[][] }> => {
    const block = await readRows(file, { start, count: Math.min(ROWS_PER_BLOCK, rows - start), rows, cols: dims })
    return { start, found: await nearestIn(pool, block, queries, count) }
  }
  for await (const { start, found } of mapInOrder(blockStarts(rows), compare, { atOnce: 2 * pool.threads }))
    for (const [query, neighbours] of found.entries()) {
      best[query]!.push(...neighbours.map(({ row, similarity }) => ({ row: start + row, similarity })))
      best[query]!.sort((a, b) => b.similarity - a.similarity || a.row - b.row).splice(count)
    }
  return best
}

function* blockStarts(rows: number): Generator<number> {
  for (let start = 0; start < rows; start += ROWS_PER_BLOCK) yield start
}

/** As `nearestRows`, among the rows of a matrix in memory, which is handed over. */
export async function nearestIn(
  pool: SessionPool,
  among: Matrix,
  queries: Matrix,
  count: number,
): Promise<Neighbour[][]> {
  const kept = Math.min(count, among.rows)
  const { similarity, row } = await pool.run({
    queries: tensorOf(matrix(queries.rows, queries.cols, queries.data.slice())),
    rows: tensorOf(among),
    count: { type: 'int64', data: BigInt64Array.of(BigInt(kept)), dims: [1] },
  })
  return Array.from({ length: queries.rows }, (_, query) =>
    Array.from({ length: kept }, (_, place) => ({
      row: Number(row!.data[query * kept + place]),
      similarity: Number(similarity!.data[query * kept + place]),
    })),
  )
}

function tensorOf({ data, rows, cols }: Matrix): Tensor {
  return { type: 'float32', data, dims: [rows, cols] }
}

function nearestModel(): Uint8Array {
  const graph = new OnnxGraph('nearest')
  const queries = graph.input('queries', 'float32', ['Q', 'D'])
  const rows = graph.input('rows', 'float32', ['N', 'D'])
  const count = graph.input('count', 'int64', [1])
  const products = graph.node('Gemm', [queries, rows], { transA: 0, transB: 1 })
  const [similarity, row] = graph.nodeOf(2, 'TopK', [products, count], { axis: 1, largest: 1, sorted: 1 })
  graph.output('similarity', 'float32', ['Q', 'K'], similarity!)
  graph.output('row', 'int64', ['Q', 'K'], row!)
  return graph.toBytes()
}
