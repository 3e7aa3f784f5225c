/**
 * A tiny real model: tells red, green and blue images apart by their mean colour. Registered in the store as a trainer
 * and the registry would, for tests of what runs models.
 */

import { OnnxGraph } from '#core/inference'
import type { EvaluationReport, TrainedModel } from '#core/steps'
import { Random } from '#adapter/synthetic/random'
import { numberModel } from '#core/registry'
import { putBlob, sha256Hex, type ObjectStore } from '#core/storage'
import { encodePixels } from '#core/images'

export const COLOURS = ['red', 'green', 'blue'] as const
export type Colour = (typeof COLOURS)[number]

/** Probabilities are softmax of `sharpness` · mean of each channel, 0–1. */
export function colourOnnx(side: number, sharpness = 8): Uint8Array {
  const graph = new OnnxGraph('colours')
  const images = graph.input('images', 'uint8', ['N', side, side, 3])
  const pixels = graph.node('Cast', [images], { to: 1 })
  const axes = graph.constant('axes', BigInt64Array.of(1n, 2n), [2])
  const means = graph.node('ReduceMean', [pixels, axes], { keepdims: 0 })
  const logits = graph.node('Mul', [means, graph.constant('sharpness', [sharpness / 255], [])])
  graph.output('scores', 'float32', ['N', 3], graph.node('Softmax', [logits], { axis: 1 }))
  return graph.toBytes()
}

/** @param classes - names in the order of the channels; another order makes a model that is wrong on purpose. */
export async function storeColourModel(
  store: ObjectStore,
  { side = 8, classes = COLOURS as readonly string[] } = {},
): Promise<TrainedModel> {
  const onnx = colourOnnx(side)
  const description = Buffer.from(JSON.stringify({ classes }))
  return {
    kind: 'trained-model',
    digest: sha256Hex(Buffer.from(`${classes.join()}${side}`)),
    onnx: await putBlob(store, onnx),
    description: await putBlob(store, description),
    trainer: 'head',
    classes: [...classes],
    inputSize: { height: side, width: side },
  }
}

/** Gives the model the next number of `name`. */
export async function registerColourModel(store: ObjectStore, name: string, model: TrainedModel): Promise<number> {
  const blob = await putBlob(store, Buffer.from('{}'))
  const report: EvaluationReport = {
    kind: 'evaluation-report',
    model: model.digest,
    report: blob,
    html: blob,
    predictions: blob,
    images: 1,
    humanSeen: 1,
    accuracy: 1,
    interval: [0, 1],
    perClass: [],
    beatsChampion: true,
  }
  const lineage = { run: 'r', node: 'n', inputs: {}, dataset: null, report: blob.sha256 }
  const registeredAt = new Date(0).toISOString()
  return (await numberModel(store, name, { digest: model.digest, registeredAt, model, report, lineage })).version
}

/** A grainy picture of one colour; another `salt` is another grain, so that no two are near duplicates. */
export function colourImage(colour: Colour, { salt = 0 } = {}): Promise<Uint8Array> {
  const side = 12
  const grain = new Random(salt)
  const pixels = new Uint8Array(side * side * 3)
  for (let i = 0; i < pixels.length; i++)
    pixels[i] = (i % 3 === COLOURS.indexOf(colour) ? 180 : 20) + grain.whole(0, 40)
  return encodePixels(pixels, { width: side, height: side, format: 'png' })
}
