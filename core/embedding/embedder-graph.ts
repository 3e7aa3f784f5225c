/** The fitted embedder as an ONNX graph. A patch is evened out after the filter: both are linear up to one division. */

import { OnnxGraph } from '#core/inference'
import type { PixelSize } from '#core/images'
import type { FilterBank } from './filters.ts'
import { CONTRAST_FLOOR } from './patches.ts'

export const PATCH_SIDE = 6
/** Four quarters and the maximum. */
export const FEATURES_PER_FILTER = 5
/** Responses below this, in units of whitened patches, count as none. */
const THRESHOLD = 0.25

export interface Scale {
  readonly bank: FilterBank
  /** Pixels between neighbouring patches. */
  readonly stride: number
}

export interface Standardisation {
  readonly mean: Float32Array
  readonly scale: Float32Array
}

export interface EmbedderParts {
  readonly size: PixelSize
  readonly channels: 1 | 3
  /** From the full size down; each next one sees the image at half the size of the one before. */
  readonly scales: readonly Scale[]
  readonly standardisation?: Standardisation
}

/** @returns uint8 [N, H, W, 3] `images` → float32 [N, d] `embedding`. */
export function embedderModel({ size, channels, scales, standardisation }: EmbedderParts): Uint8Array {
  const graph = new OnnxGraph('patch embedder', 'embedder/')
  const images = graph.input('images', 'uint8', ['N', size.height, size.width, 3])
  const floats = graph.node('Cast', [images], { to: 1 })
  let planes = graph.node('Transpose', [floats], { perm: [0, 3, 1, 2] })
  if (channels === 1) planes = graph.node('Conv', [planes, graph.constant('grey', [1 / 3, 1 / 3, 1 / 3], [1, 3, 1, 1])])
  let { height, width } = size
  const features: string[] = []
  scales.forEach((scale, level) => {
    if (level > 0) {
      planes = graph.node('AveragePool', [planes], { kernel_shape: [2, 2], strides: [2, 2] })
      height >>= 1
      width >>= 1
    }
    const responses = addResponses(graph, planes, { ...scale, channels, level })
    features.push(addPooling(graph, responses, positions(height, scale.stride), positions(width, scale.stride)))
  })
  let embedding = graph.node('Sqrt', [graph.node('Concat', features, { axis: 1 })])
  const dims = FEATURES_PER_FILTER * scales.reduce((sum, { bank }) => sum + bank.weights.rows, 0)
  if (standardisation) {
    embedding = graph.node('Sub', [embedding, graph.constant('mean', standardisation.mean, [dims])])
    embedding = graph.node('Mul', [embedding, graph.constant('scale', standardisation.scale, [dims])])
  }
  graph.output('embedding', 'float32', ['N', dims], embedding)
  return graph.toBytes()
}

function positions(side: number, stride: number): number {
  return Math.floor((side - PATCH_SIDE) / stride) + 1
}

/** Thresholded responses [N, filters, positions, positions] of one scale. */
function addResponses(
  graph: OnnxGraph,
  planes: string,
  { bank, stride, channels, level }: Scale & { channels: number; level: number },
): string {
  const filters = bank.weights.rows
  const kernel = [channels, PATCH_SIDE, PATCH_SIDE] as const
  const strides = { strides: [stride, stride] }
  const name = (part: string) => `scale${level}/${part}`
  const values = channels * PATCH_SIDE * PATCH_SIDE
  const box = graph.constant(name('box'), new Float32Array(values).fill(1 / values), [1, ...kernel])
  const mean = graph.node('Conv', [planes, box], strides)
  const meanSquare = graph.node('Conv', [graph.node('Mul', [planes, planes]), box], strides)
  const variance = graph.node('Relu', [graph.node('Sub', [meanSquare, graph.node('Mul', [mean, mean])])])
  const floor = graph.constant(name('floor'), [CONTRAST_FLOOR], [])
  const contrast = graph.node('Sqrt', [graph.node('Add', [variance, floor])])
  const weights = graph.constant(name('filters'), bank.weights.data, [filters, ...kernel])
  const raw = graph.node('Conv', [planes, weights], strides)
  const even = graph.node('Div', [raw, contrast])
  const offsets = graph.constant(
    name('offsets'),
    bank.offsets.map((offset) => offset + THRESHOLD),
    [1, filters, 1, 1],
  )
  return graph.node('Relu', [graph.node('Sub', [even, offsets])])
}

/** Mean over four (overlapping where the side is odd) quarters, and the maximum: [N, 5·filters]. */
function addPooling(graph: OnnxGraph, responses: string, height: number, width: number): string {
  const quarters = graph.node('AveragePool', [responses], {
    kernel_shape: [Math.ceil(height / 2), Math.ceil(width / 2)],
    strides: [Math.max(1, Math.floor(height / 2)), Math.max(1, Math.floor(width / 2))],
  })
  const maxima = graph.node('GlobalMaxPool', [responses])
  return graph.node('Concat', [graph.node('Flatten', [quarters]), graph.node('Flatten', [maxima])], { axis: 1 })
}
