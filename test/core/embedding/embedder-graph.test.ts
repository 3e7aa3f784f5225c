import { expect, it } from 'vitest'
import { imagesTensor } from '#core/embedding'
import { matrix, openOnnxSession } from '#core/inference'
import { seededRandom } from '#core/clustering'
import { addFilterFeatures } from '../../../core/embedding/filter-features.ts'
import { embedderModel } from '../../../core/embedding/embedder-model.ts'
import type { Part } from '../../../core/embedding/part.ts'
import { stripes, SIDE, SIZE } from './striped-images.ts'

const FILTERS = 3
const PATCH = 6
const THRESHOLD = 0.25

/** The features of one scale in plain loops: even out each patch, filter, threshold, pool, take square roots. */
function plainFeatures(grey: number[][], weights: Float32Array, offsets: Float32Array): number[] {
  const last = SIDE - PATCH
  const responses = Array.from({ length: FILTERS }, () => new Map<string, number>())
  for (let top = 0; top <= last; top++)
    for (let left = 0; left <= last; left++) {
      const patch = grey.slice(top, top + PATCH).flatMap((row) => row.slice(left, left + PATCH))
      const mean = patch.reduce((a, b) => a + b, 0) / 36
      const contrast = Math.sqrt(patch.reduce((a, b) => a + (b - mean) ** 2, 0) / 36 + 10)
      for (let f = 0; f < FILTERS; f++) {
        const response = patch.reduce((sum, value, i) => sum + (weights[f * 36 + i]! * (value - mean)) / contrast, 0)
        responses[f]!.set(`${top},${left}`, Math.max(0, response - offsets[f]! - THRESHOLD))
      }
    }
  // 23 positions a side: quarters of 12 that share their middle row and column.
  const quarter = (f: number, top: number, left: number) => {
    let sum = 0
    for (let y = top; y < top + 12; y++) for (let x = left; x < left + 12; x++) sum += responses[f]!.get(`${y},${x}`)!
    return sum / 144
  }
  const all = Array.from({ length: FILTERS }, (_, f) => f)
  const quarters = all.flatMap((f) => [quarter(f, 0, 0), quarter(f, 0, 11), quarter(f, 11, 0), quarter(f, 11, 11)])
  return [...quarters, ...all.map((f) => Math.max(...responses[f]!.values()))].map(Math.sqrt)
}

it('the graph of an embedder computes what plain loops do', async () => {
  const random = seededRandom(5)
  const weights = matrix(FILTERS, 36)
  for (let f = 0; f < FILTERS; f++) {
    const row = Float32Array.from({ length: 36 }, () => random() - 0.5)
    const mean = row.reduce((a, b) => a + b, 0) / 36
    weights.data.set(
      row.map((x) => x - mean),
      f * 36,
    )
  }
  const offsets = Float32Array.of(0.1, -0.2, 0.05)
  const features = {
    ...{ prefix: '', size: SIZE, channels: 1 as const, scales: [{ bank: { weights, offsets }, stride: 1 }] },
    encoding: { relative: false, threshold: THRESHOLD },
  }
  const part: Part = {
    ...{ name: 'patch', dims: 15, weight: 1 },
    add: (graph, planes) => addFilterFeatures(graph, planes, features),
  }
  const model = embedderModel({ size: SIZE, channels: 1, parts: [part] })
  const pixels = stripes(1)
  const grey = Array.from({ length: SIDE }, (_, y) =>
    Array.from({ length: SIDE }, (_, x) => pixels[(y * SIDE + x) * 3]!),
  )
  const session = await openOnnxSession(model)
  const { embedding } = await session.run(imagesTensor(pixels.slice(), SIZE))
  const expected = plainFeatures(grey, weights.data, offsets)
  expect(embedding!.dims).toEqual([1, 15])
  expected.forEach((value, i) => expect(embedding!.data[i]).toBeCloseTo(value, 4))
  await session.release()
})
