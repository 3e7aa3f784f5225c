/** What an image classifier is to the protocol: which requests it takes, what it answers, and how both are described. */

import { describeForeign, sniffFormat } from '#adapter/images/format'
import { PlatformError } from '#core/errors'
import { decodeRequest, type InferRequest, type InferTensor, type OutputTensor, type RequestedOutput } from './oip.ts'

export interface ServedModel {
  readonly endpoint: string
  readonly revision: number
  /** Registered model, as name@version. */
  readonly model: string
  readonly digest: string
  readonly classes: readonly string[]
  readonly inputSize: { readonly height: number; readonly width: number }
  /** Whether an algorithm file makes a `result` of the scores. */
  readonly hasAlgorithm: boolean
}

/** The images of one request: files as they came, or pixels uint8 [count, H, W, 3] of the model's size. */
export type ImageBatch =
  | { readonly kind: 'encoded'; readonly files: readonly Uint8Array[] }
  | { readonly kind: 'pixels'; readonly pixels: Uint8Array; readonly count: number }

/** What the model says of `n` images: scores float32 [n, C]; with an algorithm also one JSON text per image. */
export interface Predictions {
  readonly scores: Float32Array
  readonly results: readonly string[] | null
}

export const INPUT_NAME = 'images'
/** Images in one request at most: more belong into a batch task. */
export const MAX_IMAGES = 1_024

export function imageCount(batch: ImageBatch): number {
  return batch.kind === 'encoded' ? batch.files.length : batch.count
}

/**
 * Reads any body that an infer call may have: JSON, JSON and binary tensors, one raw tensor (header length 0), or the
 * bytes of one image file under whatever content type the client chose.
 *
 * @throws {PlatformError} `INVALID_INPUT`.
 */
export function readInferBody(body: Uint8Array, headerLength: string | undefined, model: ServedModel): InferRequest {
  if (headerLength !== undefined && Number(headerLength) !== 0) return decodeRequest(body, headerLength)
  const imageBytes = model.inputSize.height * model.inputSize.width * 3
  if (headerLength !== undefined && body.length > 0 && body.length % imageBytes === 0)
    return rawRequest({ datatype: 'UINT8', shape: pixelShape(model, body.length / imageBytes), data: body }, true)
  if (sniffFormat(body)) return rawRequest({ datatype: 'BYTES', shape: [1], data: [body] }, headerLength !== undefined)
  if (headerLength !== undefined)
    throw invalid(
      `a raw body must be one image file, or pixels of ${imageBytes} bytes per image; this one has ${body.length} bytes`,
    )
  if (body.find((byte) => byte > 0x20) !== 0x7b)
    throw invalid(
      `the body is ${describeForeign(body)}; send a JPEG, PNG, WebP, TIFF or GIF file (curl --data-binary @FILE) or a JSON request`,
    )
  return decodeRequest(body)
}

function rawRequest(tensor: Pick<InferTensor, 'datatype' | 'shape' | 'data'>, binaryAnswer: boolean): InferRequest {
  const input = { name: INPUT_NAME, parameters: {}, fromText: false, ...tensor }
  return { id: null, parameters: { binary_data_output: binaryAnswer }, inputs: [input], outputs: [] }
}

/** @throws {PlatformError} `INVALID_INPUT` naming the input, its value and what is needed. */
export function imagesOf(request: InferRequest, model: ServedModel): ImageBatch {
  const stranger = request.inputs.find(({ name }) => name !== INPUT_NAME)
  if (stranger) throw invalid(`there is no input '${stranger.name}'; the input is '${INPUT_NAME}'`)
  const [input] = request.inputs
  if (!input) throw invalid(`the input '${INPUT_NAME}' is missing`)
  checkOutputs(request.outputs, model)
  const count = input.shape[0] ?? 0
  if (count > MAX_IMAGES) throw invalid(`${count} images are too many for one request; at most ${MAX_IMAGES} fit`)
  if (input.datatype === 'BYTES') return encodedImages(input)
  const expected = pixelShape(model, count)
  if (input.datatype !== 'UINT8' || input.shape.join() !== expected.join())
    throw invalid(
      `input '${INPUT_NAME}' is ${input.datatype} [${input.shape.join(', ')}]; send UINT8 [N, ${expected.slice(1).join(', ')}] pixels or BYTES [N] image files`,
    )
  return { kind: 'pixels', pixels: input.data as Uint8Array, count }
}

function encodedImages(input: InferTensor): ImageBatch {
  const [count, ...rest] = input.shape
  if (rest.some((dim) => dim !== 1))
    throw invalid(`input '${INPUT_NAME}' is BYTES [${input.shape.join(', ')}]; its shape must be [N]`)
  const elements = input.data as readonly Uint8Array[]
  const isBase64 = input.parameters['content_type'] === 'base64'
  const files = elements.map((element) => (input.fromText ? fromText(element, isBase64) : element))
  files.forEach((file, i) => {
    if (!sniffFormat(file))
      throw invalid(
        `element ${i} of ${count} in '${INPUT_NAME}' is ${describeForeign(file)}; send JPEG, PNG, WebP, TIFF or GIF, in JSON as base64`,
      )
  })
  return { kind: 'encoded', files }
}

/** JSON strings cannot hold an image file as it is, so text that decodes to one is base64, told or not. */
function fromText(text: Uint8Array, isBase64: boolean): Uint8Array {
  const decoded = Buffer.from(Buffer.from(text).toString('latin1'), 'base64')
  return isBase64 || sniffFormat(decoded) ? decoded : text
}

function checkOutputs(outputs: readonly RequestedOutput[], model: ServedModel): void {
  const known = outputSignatures(model).map(({ name }) => name)
  for (const { name } of outputs)
    if (!known.includes(name)) throw invalid(`there is no output '${name}'; the outputs are ${known.join(', ')}`)
}

/** @param predictions - of the request's images, in order. */
export function outputsOf(predictions: Predictions, request: InferRequest, model: ServedModel): OutputTensor[] {
  const { scores, results } = predictions
  const width = model.classes.length
  const rows = Array.from({ length: scores.length / width }, (_, i) => scores.subarray(i * width, (i + 1) * width))
  const names = rows.map((row) => Buffer.from(model.classes[bestClass(row)] ?? ''))
  const outputs: OutputTensor[] = [
    scoresOutput(rows, scores, request, model),
    { name: 'class', datatype: 'BYTES', shape: [rows.length], data: names },
  ]
  if (results) {
    const texts = results.map((text) => Buffer.from(text))
    const parameters = { content_type: 'application/json' }
    outputs.push({ name: 'result', datatype: 'BYTES', shape: [rows.length], parameters, data: texts })
  }
  return outputs
}

/** The first of the highest scores. */
export function bestClass(scores: ArrayLike<number>): number {
  let best = 0
  for (let i = 1; i < scores.length; i++) if ((scores[i] ?? 0) > (scores[best] ?? 0)) best = i
  return best
}

/** Scores as they are or, with the classification extension, the k highest per image as `<score>:<index>:<class>`. */
function scoresOutput(
  rows: readonly Float32Array[],
  scores: Float32Array,
  request: InferRequest,
  { classes }: ServedModel,
): OutputTensor {
  const wanted = request.outputs.find(({ name }) => name === 'scores')?.parameters['classification']
  if (wanted === undefined) {
    const bytes = new Uint8Array(scores.buffer, scores.byteOffset, scores.byteLength)
    return { name: 'scores', datatype: 'FP32', shape: [rows.length, classes.length], data: bytes }
  }
  if (typeof wanted !== 'number' || !Number.isInteger(wanted) || wanted < 1)
    throw invalid("the parameter 'classification' must be a whole number, at least 1")
  const k = Math.min(wanted, classes.length)
  const data = rows.flatMap((row) =>
    Array.from(row.keys())
      .sort((a, b) => (row[b] ?? 0) - (row[a] ?? 0))
      .slice(0, k)
      .map((i) => Buffer.from(`${Number((row[i] ?? 0).toPrecision(9))}:${i}:${classes[i]}`)),
  )
  return { name: 'scores', datatype: 'BYTES', shape: [rows.length, k], data }
}

function pixelShape({ inputSize }: ServedModel, count: number): number[] {
  return [count, inputSize.height, inputSize.width, 3]
}

function outputSignatures({ classes, hasAlgorithm }: ServedModel) {
  return [
    { name: 'scores', datatype: 'FP32', shape: [-1, classes.length] },
    { name: 'class', datatype: 'BYTES', shape: [-1] },
    ...(hasAlgorithm ? [{ name: 'result', datatype: 'BYTES', shape: [-1] }] : []),
  ]
}

/** The protocol's model metadata, and the class names beside it. */
export function modelMetadata(model: ServedModel) {
  return {
    name: model.endpoint,
    versions: [String(model.revision)],
    platform: 'onnx_onnxv1',
    inputs: [{ name: INPUT_NAME, datatype: 'UINT8', shape: pixelShape(model, -1) }],
    outputs: outputSignatures(model),
    parameters: { model: model.model, digest: model.digest, classes: JSON.stringify(model.classes) },
  }
}

export const SERVER_METADATA = {
  name: 'gyre',
  version: '2',
  extensions: ['binary_tensor_data', 'classification', 'encoded_images'],
} as const

/** Milliseconds that the caller is ready to wait, by the schedule_policy extension (`timeout` in microseconds). */
export function deadlineOf(request: InferRequest): number | undefined {
  const { timeout } = request.parameters
  return typeof timeout === 'number' && timeout > 0 ? timeout / 1000 : undefined
}

function invalid(message: string): PlatformError {
  return new PlatformError('INVALID_INPUT', message)
}
