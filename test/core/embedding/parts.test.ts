import { describe, expect, it } from 'vitest'
import { seededRandom } from '#core/clustering'
import { imagesTensor } from '#core/embedding'
import { matrix, openOnnxSession } from '#core/inference'
import { colourPart } from '../../../core/embedding/colour.ts'
import { addFilterFeatures } from '../../../core/embedding/filter-features.ts'
import { embedderModel } from '../../../core/embedding/embedder-model.ts'
import { hogPart } from '../../../core/embedding/hog.ts'
import type { Part } from '../../../core/embedding/part.ts'

const SIDE = 16
const SIZE = { height: SIDE, width: SIDE }
type Colour = readonly [number, number, number]

/** uint8 [16, 16, 3]. */
function picture(colourAt: (y: number, x: number) => Colour): Uint8Array {
  const pixels = new Uint8Array(SIDE * SIDE * 3)
  for (let y = 0; y < SIDE; y++) for (let x = 0; x < SIDE; x++) pixels.set(colourAt(y, x), (y * SIDE + x) * 3)
  return pixels
}

const grey = (value: number): Colour => [value, value, value]

async function describeBy(part: Part, channels: 1 | 3, pixels: Uint8Array): Promise<Float32Array> {
  const session = await openOnnxSession(embedderModel({ size: SIZE, channels, parts: [part] }))
  const { embedding } = await session.run(imagesTensor(pixels.slice(), SIZE))
  await session.release()
  expect(embedding!.dims).toEqual([1, part.dims])
  return embedding!.data as Float32Array
}

describe('edges', () => {
  /** A slope that rises by `step` a pixel towards `angle`; the part for each of eight directions, in the middle places. */
  async function strengths(angle: number, { step = 6, light = 120, channels = 1 as 1 | 3 } = {}): Promise<number[]> {
    const along = (y: number, x: number) => Math.cos(angle) * (x - 8) + Math.sin(angle) * (y - 8)
    const pixels = picture((y, x) => grey(Math.round(light + step * along(y, x))))
    const found = await describeBy(hogPart(SIZE, channels), channels, pixels)
    return Array.from({ length: 8 }, (_, d) => found[d * 16 + 5]!)
  }

  it('count in the direction in which the image gets lighter', async () => {
    const right = await strengths(0)
    expect(right[0]).toBeGreaterThan(0.5)
    for (const [direction, strength] of right.entries()) if (direction !== 0) expect(strength).toBeLessThan(right[0]!)
    const down = await strengths(Math.PI / 2)
    expect(down.indexOf(Math.max(...down))).toBe(2)
    expect(down[6]).toBeCloseTo(0, 5)
  })

  it('are as strong in a dark image and in one with colour channels', async () => {
    const usual = await strengths(0.4)
    for (const other of [await strengths(0.4, { light: 60 }), await strengths(0.4, { channels: 3 })])
      other.forEach((strength, d) => expect(strength).toBeCloseTo(usual[d]!, 1))
  })

  it('of a slope to the right are its strength over that of nine equal places, by hand', async () => {
    // Two neighbours differ by 12: gradient 12 at 0°, 12·cos⁴ 45° = 3 on either side.
    const [first, beside] = await strengths(0)
    const around = Math.sqrt(12 ** 2 + 3 ** 2 + 3 ** 2 + 12 ** 2)
    expect(first).toBeCloseTo(Math.sqrt(12 / around), 4)
    expect(beside).toBeCloseTo(Math.sqrt(3 / around), 4)
  })

  it('of an even image are none', async () => {
    const found = await describeBy(
      hogPart(SIZE, 1),
      1,
      picture(() => grey(77)),
    )
    expect(Math.max(...found)).toBeLessThan(0.01)
  })
})

describe('colours', () => {
  /** Shares of the levels at one place: [light × 4, red–green × 4, yellow–blue × 4]. */
  async function shares(pixels: Uint8Array, place = 0, channels = 3 as 1 | 3): Promise<number[]> {
    const found = await describeBy(colourPart(SIZE, channels), channels, pixels)
    return Array.from({ length: found.length / 16 }, (_, level) => found[level * 16 + place]! ** 2)
  }

  it('of a grey between two levels count in both', async () => {
    // Levels lie at 31.875, 95.625, …: 64 is 0.504 of the way up. Without colour, the middle two levels share.
    const expected = [0.4961, 0.5039, 0, 0, 0, 0.5, 0.5, 0, 0, 0.5, 0.5, 0]
    const found = await shares(picture(() => grey(64)))
    expected.forEach((share, level) => expect(found[level]).toBeCloseTo(share, 3))
  })

  it('beyond the last level count in it', async () => {
    const strong = await shares(picture(() => [250, 10, 20]))
    const white = await shares(picture(() => grey(255)))
    for (const levels of [strong.slice(4, 8), white.slice(0, 4)])
      levels.forEach((share, level) => expect(share).toBeCloseTo(level === 3 ? 1 : 0, 5))
  })

  it('are told where they are', async () => {
    const half = picture((_, x) => (x < 8 ? [200, 20, 20] : [20, 20, 200]))
    const [left, right] = [await shares(half, 0), await shares(half, 3)]
    expect(left[7]).toBeCloseTo(1, 5)
    expect(right[7]).toBeCloseTo(0, 5)
    expect(right[8]).toBeCloseTo(1, 5)
  })

  it('of grey images are only how light', async () => {
    expect(
      await shares(
        picture(() => grey(64)),
        0,
        1,
      ),
    ).toHaveLength(4)
  })
})

it('whitened patches count by how far their likeness lies beyond the root mean square of all, either way', async () => {
  const random = seededRandom(4)
  const filters = 4
  const weights = matrix(
    filters,
    36,
    Float32Array.from({ length: filters * 36 }, () => random() - 0.5),
  )
  for (let f = 0; f < filters; f++) {
    const row = weights.data.subarray(f * 36, (f + 1) * 36)
    const mean = row.reduce((a, b) => a + b, 0) / 36
    row.forEach((x, i) => (row[i] = x - mean))
  }
  const offsets = Float32Array.of(0.2, -0.1, 0, 0.3)
  const scales = [{ bank: { weights, offsets }, stride: 1 }]
  const features = { size: SIZE, channels: 1 as const, scales, encoding: { relative: true, threshold: 1 } }
  const part: Part = {
    ...{ name: 'whitened patch', dims: 10 * filters, weight: 1 },
    add: (graph, planes) => addFilterFeatures(graph, planes, { prefix: 'p/', ...features }),
  }
  const value = Array.from({ length: SIDE * SIDE }, () => Math.floor(256 * random()))
  const found = await describeBy(
    part,
    1,
    picture((y, x) => grey(value[y * SIDE + x]!)),
  )

  // Maxima over all 11 × 11 places, in plain loops: first of the likenesses, then of the likenesses to the negatives.
  const maxima = new Float64Array(2 * filters)
  for (let top = 0; top < 11; top++)
    for (let left = 0; left < 11; left++) {
      const patch = Array.from({ length: 36 }, (_, i) => value[(top + Math.floor(i / 6)) * SIDE + left + (i % 6)]!)
      const mean = patch.reduce((a, b) => a + b, 0) / 36
      const contrast = Math.sqrt(patch.reduce((a, b) => a + (b - mean) ** 2, 0) / 36 + 10)
      const likeness = Array.from(offsets, (offset, f) =>
        patch.reduce((sum, x, i) => sum + (weights.data[f * 36 + i]! * (x - mean)) / contrast, -offset),
      )
      const rms = Math.sqrt(likeness.reduce((a, b) => a + b * b, 0) / filters)
      likeness.forEach((s, f) => {
        maxima[f] = Math.max(maxima[f]!, s / rms - 1)
        maxima[filters + f] = Math.max(maxima[filters + f]!, -s / rms - 1)
      })
    }
  const ofGraph = found.slice(8 * filters)
  maxima.forEach((maximum, at) => expect(ofGraph[at]).toBeCloseTo(Math.sqrt(maximum), 3))
})
