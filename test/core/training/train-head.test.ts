import { describe, expect, it } from 'vitest'
import { seededRandom } from '#core/clustering'
import { matrix, OnnxGraph, openOnnxSession } from '#core/inference'
import { argMax, goldenSet, trainHead } from '#core/training'

const SIZE = { height: 1, width: 1 }

/** The colour of images of one pixel, as an embedding. */
function colourEmbedder(): Uint8Array {
  const graph = new OnnxGraph('colour')
  const images = graph.input('images', 'uint8', ['N', 1, 1, 3])
  const flat = graph.node('Flatten', [graph.node('Cast', [images], { to: 1 })])
  graph.output('embedding', 'float32', ['N', 3], flat)
  return graph.toBytes()
}

const random = seededRandom(3)
/** Red, green or blue pixels, with noise. */
const pixels = Uint8Array.from(
  { length: 90 * 3 },
  (_, at) => (Math.floor(at / 3) % 3 === at % 3 ? 150 : 0) + 90 * random(),
)
const labels = Array.from({ length: 90 }, (_, i) => i % 3)
const problem = {
  embedder: colourEmbedder(),
  features: matrix(90, 3, Float32Array.from(pixels)),
  labels,
  classes: ['red', 'green', 'blue'],
}

async function scoresOf(model: Uint8Array) {
  const session = await openOnnxSession(model)
  const { scores } = await session.run({ images: { type: 'uint8', data: pixels.slice(), dims: [90, 1, 1, 3] } })
  const signature = { inputs: session.inputs, outputs: session.outputs }
  await session.release()
  return { ...signature, scores: matrix(90, 3, scores!.data as Float32Array) }
}

describe('a trained head', () => {
  it('is one ONNX file from pixels to probabilities', async () => {
    const { inputs, outputs, scores } = await scoresOf((await trainHead(problem)).model)
    expect(inputs).toEqual([{ name: 'images', type: 'uint8', dims: [-1, 1, 1, 3] }])
    expect(outputs).toEqual([{ name: 'scores', type: 'float32', dims: [-1, 3] }])
    for (let i = 0; i < 90; i++) {
      const row = scores.data.subarray(3 * i, 3 * i + 3)
      expect(row.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 5)
    }
    expect([...argMax(scores)]).toEqual(labels)
  })

  it('has the same bytes each time', async () => {
    expect((await trainHead(problem)).model).toEqual((await trainHead(problem)).model)
  })

  it('reports how it would do on images that it has not seen', async () => {
    const { metrics } = await trainHead(problem)
    expect(metrics.labelsPerClass).toEqual({ red: 30, green: 30, blue: 30 })
    expect(metrics.leaveOneOut.images).toBe(90)
    expect(metrics.leaveOneOut.accuracy).toBe(1)
    expect(metrics.leaveOneOut.logLoss).toBeLessThan(0.1)
  })

  it('is unsure where labels are chance', async () => {
    const chance = labels.map((_, i) => Math.floor(i / 3) % 3)
    const { model } = await trainHead({ ...problem, labels: chance })
    const { scores } = await scoresOf(model)
    expect(Math.max(...scores.data)).toBeLessThan(0.7)
  })

  it('needs a second class', async () => {
    await expect(trainHead({ ...problem, labels: labels.map(() => 1) })).rejects.toMatchObject({
      code: 'DATASET_ONE_CLASS',
      message: expect.stringContaining('"green"') as string,
    })
  })

  it('needs two labels a class on average', async () => {
    const few = {
      ...problem,
      features: matrix(5, 3, problem.features.data.subarray(0, 15)),
      labels: labels.slice(0, 5),
    }
    await expect(trainHead(few)).rejects.toMatchObject({ code: 'TOO_FEW_LABELS', details: { needed: 6 } })
  })
})

it('golden scores are what the model answers image by image', async () => {
  const session = await openOnnxSession((await trainHead(problem)).model)
  const scores = await goldenSet(session, pixels.slice(0, 12), SIZE)
  const batch = await session.run({ images: { type: 'uint8', data: pixels.slice(0, 12), dims: [4, 1, 1, 3] } })
  expect(scores).toHaveLength(4)
  scores.flat().forEach((score, i) => expect(score).toBeCloseTo(Number(batch.scores!.data[i]), 6))
  await session.release()
})
