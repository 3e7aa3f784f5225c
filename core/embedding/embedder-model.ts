/** The parts of an embedder as one ONNX graph: one after the other, centred, scaled, and turned where it is whitened. */

import { joinGraphs, OnnxGraph, type Matrix } from '#core/inference'
import type { PixelSize } from '#core/images'
import type { Part } from './part.ts'
import type { Embedder } from './user-embedder.ts'

export interface Standardisation {
  readonly mean: Float32Array
  readonly scale: Float32Array
}

export interface EmbedderParts {
  /** Of the images that go in. */
  readonly size: PixelSize
  readonly channels: 1 | 3
  /** Fitted parts see the image shrunk by this factor. */
  readonly shrunk?: number
  readonly parts: readonly Part[]
  /** An embedder that Gyre did not fit, of the same `size`: what it gives comes after the parts. */
  readonly beside?: Embedder | undefined
  readonly standardisation?: Standardisation
  /** Taken of the standardised parts, [sum of dims, kept]. */
  readonly directions?: Matrix | undefined
}

/** @returns uint8 [N, H, W, 3] `images` → float32 [N, d] `embedding`. */
export function embedderModel(embedder: EmbedderParts): Uint8Array {
  const { size, parts, beside } = embedder
  const name = parts.map((part) => part.name).join(' and ')
  if (!beside) {
    const graph = new OnnxGraph(`${name} embedder`, 'embedder/')
    graph.input('images', 'uint8', ['N', size.height, size.width, 3])
    addEmbedding(graph, embedder)
    return graph.toBytes()
  }
  const graph = new OnnxGraph(name, 'beside/')
  addEmbedding(graph, embedder)
  return joinGraphs(beside.model, graph, { replaceOutputs: true, rename: { from: 'embedding', to: BESIDE } })
}

/** Takes the place of the name `embedding` inside the embedder that others are put beside. */
const BESIDE = 'beside/embedding'

function addEmbedding(graph: OnnxGraph, { channels, shrunk = 1, ...rest }: EmbedderParts): void {
  const { parts, beside, standardisation, directions } = rest
  const planes = parts.length > 0 ? addPlanes(graph, { channels, shrunk }) : ''
  const described = parts.map((part) => part.add(graph, planes))
  if (beside) described.push(BESIDE)
  let embedding = described.length > 1 ? graph.node('Concat', described, { axis: 1 }) : described[0]!
  const dims = parts.reduce((sum, part) => sum + part.dims, beside?.dims ?? 0)
  if (standardisation) {
    embedding = graph.node('Sub', [embedding, graph.constant('mean', standardisation.mean, [dims])])
    embedding = graph.node('Mul', [embedding, graph.constant('scale', standardisation.scale, [dims])])
  }
  if (directions)
    embedding = graph.node('MatMul', [
      embedding,
      graph.constant('directions', directions.data, [dims, directions.cols]),
    ])
  graph.output('embedding', 'float32', ['N', directions?.cols ?? dims], embedding)
}

/** float32 [N, channels, H, W], values 0–255. */
function addPlanes(graph: OnnxGraph, { channels, shrunk }: { channels: 1 | 3; shrunk: number }): string {
  const floats = graph.node('Cast', ['images'], { to: 1 })
  let planes = graph.node('Transpose', [floats], { perm: [0, 3, 1, 2] })
  if (channels === 1) planes = graph.node('Conv', [planes, graph.constant('grey', [1 / 3, 1 / 3, 1 / 3], [1, 3, 1, 1])])
  if (shrunk === 1) return planes
  return graph.node('AveragePool', [planes], { kernel_shape: [shrunk, shrunk], strides: [shrunk, shrunk] })
}
