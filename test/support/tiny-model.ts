/** A registered classifier of 4 × 4 images whose answers are known: the brightest of the three channels wins. */

import { putBlob, sha256Hex, type ObjectStore } from '#core/storage'
import { OnnxGraph } from '#core/inference'
import { numberModel } from '#core/registry'
import type { EvaluationReport, TrainedModel } from '#core/steps'

export const CLASSES = ['red', 'green', 'blue'] as const
export const SIZE = 4

/** scores = softmax(mean of each channel · sharpness). `sharpness` makes models that differ and agree. */
export function tinyOnnx(sharpness = 0.1): Uint8Array {
  const graph = new OnnxGraph('tiny')
  const images = graph.input('images', 'uint8', ['N', SIZE, SIZE, 3])
  const pixels = graph.node('Cast', [images], { to: 1 })
  const axes = graph.constant('axes', BigInt64Array.from([1n, 2n]), [2])
  const means = graph.node('ReduceMean', [pixels, axes], { keepdims: 0 })
  const scaled = graph.node('Mul', [means, graph.constant('sharpness', [sharpness], [])])
  graph.output('scores', 'float32', ['N', CLASSES.length], graph.node('Softmax', [scaled], { axis: 1 }))
  return graph.toBytes()
}

/** As `tinyOnnx`, with some ten milliseconds of work per image that change nothing. */
export function slowOnnx(): Uint8Array {
  const width = 1_500
  const graph = new OnnxGraph('slow')
  const images = graph.input('images', 'uint8', ['N', SIZE, SIZE, 3])
  const pixels = graph.node('Cast', [images], { to: 1 })
  const axes = graph.constant('axes', BigInt64Array.from([1n, 2n]), [2])
  const means = graph.node('ReduceMean', [pixels, axes], { keepdims: 0 })
  const zeros = (rows: number, cols: number) =>
    graph.constant(`z${rows}x${cols}`, new Float32Array(rows * cols), [rows, cols])
  const square = zeros(width, width)
  let wide = graph.node('MatMul', [means, zeros(CLASSES.length, width)])
  for (let i = 0; i < 40; i++) wide = graph.node('Tanh', [graph.node('MatMul', [wide, square])])
  const nothing = graph.node('MatMul', [wide, zeros(width, CLASSES.length)])
  graph.output(
    'scores',
    'float32',
    ['N', CLASSES.length],
    graph.node('Softmax', [graph.node('Add', [means, nothing])], { axis: 1 }),
  )
  return graph.toBytes()
}

/** What `tinyOnnx` gives for one image of a single colour. */
export function tinyScores(colour: readonly [number, number, number], sharpness = 0.1): number[] {
  const exponentials = colour.map((value) => Math.exp((value - Math.max(...colour)) * sharpness))
  const sum = exponentials.reduce((total, value) => total + value, 0)
  return exponentials.map((value) => value / sum)
}

/** uint8 [n, 4, 4, 3]: one image per colour. */
export function solidPixels(...colours: readonly (readonly [number, number, number])[]): Uint8Array {
  return Uint8Array.from(colours.flatMap((colour) => Array.from({ length: SIZE * SIZE }, () => colour).flat()))
}

export interface TinyModelOptions {
  readonly sharpness?: number
  readonly golden?: { readonly pixels: Uint8Array; readonly scores: readonly (readonly number[])[] }
  readonly onnx?: Uint8Array
}

/** Stores the model's files, as a trainer would. */
export async function trainTinyModel(store: ObjectStore, options: TinyModelOptions = {}): Promise<TrainedModel> {
  const onnx = await putBlob(store, options.onnx ?? tinyOnnx(options.sharpness))
  const golden = options.golden && {
    pixels: await putBlob(store, options.golden.pixels),
    scores: options.golden.scores,
  }
  const description = { classes: CLASSES, ...(golden && { golden }) }
  return {
    kind: 'trained-model',
    digest: sha256Hex(Buffer.from(`model ${onnx.sha256}`)),
    onnx,
    description: await putBlob(store, Buffer.from(JSON.stringify(description))),
    trainer: 'test',
    classes: [...CLASSES],
    inputSize: { height: SIZE, width: SIZE },
  }
}

/** A report about the model; `predictions` as JSON lines. */
export async function reportOf(
  store: ObjectStore,
  model: TrainedModel,
  options: { beatsChampion?: boolean; predictions?: readonly { digest: string; class: string; score: number }[] } = {},
): Promise<EvaluationReport> {
  const blob = await putBlob(store, Buffer.from('{}'))
  const lines = (options.predictions ?? []).map((line) => JSON.stringify(line)).join('\n')
  return {
    kind: 'evaluation-report',
    model: model.digest,
    report: blob,
    html: blob,
    predictions: await putBlob(store, Buffer.from(lines)),
    images: 10,
    humanSeen: 10,
    accuracy: 0.9,
    interval: [0.6, 0.98],
    perClass: [],
    beatsChampion: options.beatsChampion ?? true,
  }
}

/** Gives the model a number in the registry as `m`, with `champion` unset. */
export async function registerTiny(store: ObjectStore, options: TinyModelOptions = {}) {
  const trained = await trainTinyModel(store, options)
  const report = await reportOf(store, trained)
  const lineage = { run: 'test', node: 'register', inputs: {}, dataset: null, report: report.report.sha256 }
  const entry = { digest: trained.digest, registeredAt: '2026-01-01T00:00:00.000Z', model: trained, report, lineage }
  const record = await numberModel(store, 'm', entry)
  return {
    record,
    model: { kind: 'model-version' as const, name: 'm', version: record.version, digest: record.digest },
  }
}
