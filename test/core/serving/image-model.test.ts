import { describe, expect, it } from 'vitest'
import { encodePixels } from '#core/images'
import { imagesOf, modelMetadata, outputsOf, readInferBody, type ServedModel } from '#core/serving'
import { solidPixels } from '../../support/tiny-model.ts'

const model: ServedModel = {
  endpoint: 'e',
  revision: 2,
  model: 'm@1',
  digest: 'd',
  classes: ['red', 'green', 'blue'],
  inputSize: { height: 4, width: 4 },
  hasAlgorithm: false,
}
const png = await encodePixels(solidPixels([1, 2, 3]), { height: 4, width: 4 })
const json = (value: unknown) => Buffer.from(JSON.stringify(value))
const bytesInput = (data: unknown, fields: object = {}) =>
  json({ inputs: [{ name: 'images', datatype: 'BYTES', shape: [1], data, ...fields }] })
const read = (body: Uint8Array, headerLength?: string) => imagesOf(readInferBody(body, headerLength, model), model)

describe('the images of a request', () => {
  it('are an image file sent as it is', () => {
    expect(read(png)).toEqual({ kind: 'encoded', files: [png] })
  })

  it('are base64 in JSON, told or found out', () => {
    const base64 = Buffer.from(png).toString('base64')
    const told = read(bytesInput([base64], { parameters: { content_type: 'base64' } }))
    expect(told).toEqual({ kind: 'encoded', files: [Buffer.from(png)] })
    expect(read(bytesInput([base64]))).toEqual(told)
  })

  it('are BYTES of shape [N, 1] as well as [N]', () => {
    expect(read(bytesInput([Buffer.from(png).toString('base64')], { shape: [1, 1] })).kind).toBe('encoded')
  })

  it('are pixels of the size of the model', () => {
    const pixels = solidPixels([1, 2, 3], [4, 5, 6])
    const body = json({ inputs: [{ name: 'images', datatype: 'UINT8', shape: [2, 4, 4, 3], data: [...pixels] }] })
    expect(read(body)).toEqual({ kind: 'pixels', pixels, count: 2 })
  })

  it('are a raw tensor where the header length is 0, as many as fit', () => {
    const pixels = solidPixels([1, 2, 3], [4, 5, 6])
    expect(read(pixels, '0')).toEqual({ kind: 'pixels', pixels, count: 2 })
    expect(read(png, '0')).toEqual({ kind: 'encoded', files: [png] })
  })

  it('may be none', () => {
    const body = json({ inputs: [{ name: 'images', datatype: 'UINT8', shape: [0, 4, 4, 3], data: [] }] })
    expect(read(body)).toEqual({ kind: 'pixels', pixels: new Uint8Array(), count: 0 })
  })

  it.each([
    ['text', Buffer.from('hello'), undefined, 'the body is a text file; send a JPEG'],
    ['nothing', Buffer.from(''), undefined, 'send a JPEG'],
    ['a raw tensor of a broken length', Buffer.alloc(47), '0', 'pixels of 48 bytes per image; this one has 47 bytes'],
    [
      'a BYTES element that is no image',
      bytesInput(['aGVsbG8=']),
      undefined,
      "element 0 of 1 in 'images' is a text file",
    ],
    [
      'BYTES of two variable dimensions',
      bytesInput(['a', 'b', 'c', 'd'], { shape: [2, 2] }),
      undefined,
      'its shape must be [N]',
    ],
    [
      'another size',
      json({ inputs: [{ name: 'images', datatype: 'UINT8', shape: [1, 1, 1, 3], data: [1, 2, 3] }] }),
      undefined,
      'send UINT8 [N, 4, 4, 3] pixels',
    ],
    [
      'another datatype',
      json({ inputs: [{ name: 'images', datatype: 'FP32', shape: [1], data: [1] }] }),
      undefined,
      "'images' is FP32 [1]",
    ],
    [
      'another name',
      json({ inputs: [{ name: 'x', datatype: 'FP32', shape: [1], data: [1] }] }),
      undefined,
      "there is no input 'x'; the input is 'images'",
    ],
    [
      'an unknown output',
      json({
        inputs: [{ name: 'images', datatype: 'UINT8', shape: [0, 4, 4, 3], data: [] }],
        outputs: [{ name: 'y' }],
      }),
      undefined,
      "there is no output 'y'",
    ],
    [
      '1,025 images',
      json({ inputs: [{ name: 'images', datatype: 'BYTES', shape: [1025], data: Array(1025).fill('a') }] }),
      undefined,
      'at most 1024 fit',
    ],
  ])('are refused: %s', (_name, body, headerLength, message) => {
    expect(() => read(body, headerLength)).toThrow(message)
  })
})

describe('the outputs of a prediction', () => {
  const scores = Float32Array.from([0.2, 0.5, 0.3, 0.4, 0.4, 0.2])

  it('are the scores and the class of each image, the first of equals', () => {
    const [scoresOutput, classes] = outputsOf({ scores, results: null }, readInferBody(png, undefined, model), model)
    expect(scoresOutput).toMatchObject({ name: 'scores', datatype: 'FP32', shape: [2, 3] })
    expect(classes).toMatchObject({ name: 'class', shape: [2], data: [Buffer.from('green'), Buffer.from('red')] })
  })

  it('are the k best as text with the classification extension', () => {
    const request = {
      ...readInferBody(png, undefined, model),
      outputs: [{ name: 'scores', parameters: { classification: 2 } }],
    }
    const [top] = outputsOf({ scores, results: null }, request, model)
    expect(top).toMatchObject({ datatype: 'BYTES', shape: [2, 2] })
    expect((top!.data as Uint8Array[]).map(String)).toEqual([
      '0.5:1:green',
      '0.300000012:2:blue',
      '0.400000006:0:red',
      '0.400000006:1:green',
    ])
  })

  it('hold one JSON text per image where an algorithm runs', () => {
    const outputs = outputsOf({ scores, results: ['{"a":1}', '{"a":2}'] }, readInferBody(png, undefined, model), model)
    expect(outputs[2]).toMatchObject({
      name: 'result',
      datatype: 'BYTES',
      shape: [2],
      parameters: { content_type: 'application/json' },
    })
  })
})

it('the metadata of a model says its input, its outputs and its classes', () => {
  expect(modelMetadata(model)).toEqual({
    name: 'e',
    versions: ['2'],
    platform: 'onnx_onnxv1',
    inputs: [{ name: 'images', datatype: 'UINT8', shape: [-1, 4, 4, 3] }],
    outputs: [
      { name: 'scores', datatype: 'FP32', shape: [-1, 3] },
      { name: 'class', datatype: 'BYTES', shape: [-1] },
    ],
    parameters: { model: 'm@1', digest: 'd', classes: '["red","green","blue"]' },
  })
})
