import { describe, expect, it } from 'vitest'
import { fakeSession, joinGraphs, OnnxGraph, openOnnxSession, type InferenceSession } from '#core/inference'

/** Brightness of each channel, as scores: mean over an image of 2 × 2 pixels, divided by 255. */
function brightnessModel(): Uint8Array {
  const graph = new OnnxGraph('brightness')
  const images = graph.input('images', 'uint8', ['N', 2, 2, 3])
  const floats = graph.node('Cast', [images], { to: 1 })
  const axes = graph.constant('axes', BigInt64Array.of(1n, 2n), [2])
  const mean = graph.node('ReduceMean', [floats, axes], { keepdims: 0 })
  graph.output('scores', 'float32', ['N', 3], graph.node('Div', [mean, graph.constant('white', [255], [])]))
  return graph.toBytes()
}

function brightness(pixels: Uint8Array): number[] {
  return [0, 1, 2].map((c) => (pixels[c]! + pixels[c + 3]! + pixels[c + 6]! + pixels[c + 9]!) / 4 / 255)
}

const sessions: Record<string, () => Promise<InferenceSession>> = {
  'ONNX Runtime': () => openOnnxSession(brightnessModel()),
  'the fake': () => Promise.resolve(fakeSession({ height: 2, width: 2, classes: 3, score: brightness })),
}

describe.each(Object.entries(sessions))('a session of %s', (_name, openSession) => {
  it('tells what it takes and gives, with −1 for the free dimension', async () => {
    const session = await openSession()
    expect(session.inputs).toEqual([{ name: 'images', type: 'uint8', dims: [-1, 2, 2, 3] }])
    expect(session.outputs).toEqual([{ name: 'scores', type: 'float32', dims: [-1, 3] }])
    await session.release()
  })

  it('answers a batch image by image', async () => {
    const session = await openSession()
    const data = new Uint8Array(24)
    for (let pixel = 0; pixel < 4; pixel++) data[12 + 3 * pixel] = 51
    const { scores } = await session.run({ images: { type: 'uint8', data, dims: [2, 2, 2, 3] } })
    expect(scores!.dims).toEqual([2, 3])
    expect([...scores!.data].map((x) => Number(Number(x).toFixed(6)))).toEqual([0, 0, 0, 0.2, 0, 0])
    await session.release()
  })

  it('refuses input of another type as the caller’s mistake', async () => {
    const session = await openSession()
    const images = { type: 'float32', data: new Float32Array(12), dims: [1, 2, 2, 3] } as const
    await expect(session.run({ images })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    await session.release()
  })

  it('refuses images of another size as the caller’s mistake', async () => {
    const session = await openSession()
    const images = { type: 'uint8', data: new Uint8Array(27), dims: [1, 3, 3, 3] } as const
    await expect(session.run({ images })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    await session.release()
  })
})

describe('ONNX files', () => {
  it('that are none are refused with the reason', async () => {
    await expect(openOnnxSession(Buffer.from('not a model'))).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      message: expect.stringContaining('not a usable ONNX model') as string,
    })
  })

  it('of the same graph have the same bytes', () => {
    expect(brightnessModel()).toEqual(brightnessModel())
  })

  it('joined to a further graph answer with its outputs', async () => {
    const head = new OnnxGraph('darkness', 'head/')
    const darkness = head.node('Sub', [head.constant('one', [1], []), 'scores'])
    head.output('darkness', 'float32', ['N', 3], darkness)
    const session = await openOnnxSession(joinGraphs(brightnessModel(), head, { replaceOutputs: true }))
    expect(session.outputs.map((o) => o.name)).toEqual(['darkness'])
    const images = { type: 'uint8', data: new Uint8Array(12).fill(255), dims: [1, 2, 2, 3] } as const
    expect([...(await session.run({ images })).darkness!.data]).toEqual([0, 0, 0])
    await session.release()
  })

  it('joined behind a graph that feeds them take its inputs', async () => {
    const front = new OnnxGraph('renamed', 'front/')
    front.alias('images', front.input('photos', 'uint8', ['N', 2, 2, 3]))
    const session = await openOnnxSession(joinGraphs(brightnessModel(), front, { replaceInputs: true }))
    expect(session.inputs.map((i) => i.name)).toEqual(['photos'])
    await session.release()
  })

  it('keep fields that Gyre does not know when joined', () => {
    // Field 14 of a model is metadata_props: {1: "key", 2: "value"}.
    const metadata = Buffer.of(0x72, 0x0c, 0x0a, 3, 0x6b, 0x65, 0x79, 0x12, 5, 0x76, 0x61, 0x6c, 0x75, 0x65)
    const model = new Uint8Array(Buffer.concat([brightnessModel(), metadata]))
    const joined = Buffer.from(joinGraphs(model, new OnnxGraph('nothing')))
    expect(joined.includes(metadata)).toBe(true)
  })
})
