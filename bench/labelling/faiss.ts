/** FAISS from PyPI, in a virtual environment of the benchmark's own. */

import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import type { Matrix } from '#core/inference'
import type { KMeansFigures } from './peers.ts'

const run = promisify(execFile)

const PROGRAM = `
import sys, time, numpy, faiss
points = numpy.fromfile(sys.argv[1], dtype='float32').reshape(int(sys.argv[2]), int(sys.argv[3]))
start = time.perf_counter()
found = faiss.Kmeans(points.shape[1], 1000, niter=20, seed=7)
found.train(points)
print(time.perf_counter() - start, found.obj[-1])
`

/** The k-means of `kMeansFigures`. */
export async function faissKMeans(points: Matrix, folder: string): Promise<KMeansFigures> {
  const environment = path.join(os.tmpdir(), 'gyre-bench-peers-labelling')
  await run('sh', [path.resolve(import.meta.dirname, '../peers/install.sh'), environment, 'labelling.txt'])
  const file = path.join(folder, 'points.f32')
  await writeFile(file, new Uint8Array(points.data.buffer))
  const python = path.join(environment, 'bin/python')
  const { stdout } = await run(python, ['-c', PROGRAM, file, String(points.rows), String(points.cols)])
  const [seconds = NaN, inertia = NaN] = stdout.trim().split(' ').map(Number)
  return { seconds: Number(seconds.toPrecision(4)), inertia }
}
