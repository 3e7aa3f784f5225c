/** Filter responses as nodes of a graph. A patch is evened out after the filter: both are linear up to one division. */

import type { PixelSize } from '#core/images'
import type { OnnxGraph } from '#core/inference'
import type { FilterBank } from './filters.ts'
import { CONTRAST_FLOOR } from './patches.ts'

export const PATCH_SIDE = 6
/** Four quarters and the maximum, for each map. */
export const FEATURES_PER_MAP = 5

/** How a patch is described by its responses to the filters. */
export interface Encoding {
  /** Responses are divided by the root mean square of all filters' at the same place, and both signs are kept. */
  readonly relative: boolean
  /** Responses below this count as none. */
  readonly threshold: number
}

export interface Scale {
  readonly bank: FilterBank
  /** Pixels between neighbouring patches. */
  readonly stride: number
}

export interface FilterFeatures {
  /** Keeps the names of constants apart from those of other parts. */
  readonly prefix: string
  readonly size: PixelSize
  readonly channels: 1 | 3
  /** From the full size down; each next one sees the image at half the size of the one before. */
  readonly scales: readonly Scale[]
  readonly encoding: Encoding
}

/**
 * @param planes - float32 [N, channels, H, W].
 * @returns square roots of the pooled responses, [N, d].
 */
export function addFilterFeatures(
  graph: OnnxGraph,
  planes: string,
  { prefix, size, channels, scales, encoding }: FilterFeatures,
): string {
  let { height, width } = size
  const features: string[] = []
  scales.forEach((scale, level) => {
    if (level > 0) {
      planes = graph.node('AveragePool', [planes], { kernel_shape: [2, 2], strides: [2, 2] })
      height >>= 1
      width >>= 1
    }
    const responses = addResponses(graph, planes, { ...scale, channels, encoding, prefix: `${prefix}scale${level}/` })
    features.push(addPooling(graph, responses, positions(height, scale.stride), positions(width, scale.stride)))
  })
  return graph.node('Sqrt', [graph.node('Concat', features, { axis: 1 })])
}

function positions(side: number, stride: number): number {
  return Math.floor((side - PATCH_SIDE) / stride) + 1
}

/** Thresholded responses of one scale: [N, maps, positions, positions], a map for each filter or for each sign of one. */
function addResponses(
  graph: OnnxGraph,
  planes: string,
  { bank, stride, channels, encoding, prefix }: Scale & { channels: number; encoding: Encoding; prefix: string },
): string {
  const filters = bank.weights.rows
  const kernel = [channels, PATCH_SIDE, PATCH_SIDE] as const
  const strides = { strides: [stride, stride] }
  const name = (part: string) => `${prefix}${part}`
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
  const shift = encoding.relative ? 0 : encoding.threshold
  const offsets = graph.constant(
    name('offsets'),
    bank.offsets.map((offset) => offset + shift),
    [1, filters, 1, 1],
  )
  const shifted = graph.node('Sub', [even, offsets])
  if (!encoding.relative) return graph.node('Relu', [shifted])
  return addRelative(graph, shifted, { filters, threshold: encoding.threshold, name })
}

/** What of each response, in units of the root mean square of all at its place, lies beyond the threshold on either side. */
function addRelative(
  graph: OnnxGraph,
  responses: string,
  { filters, threshold, name }: { filters: number; threshold: number; name: (part: string) => string },
): string {
  const share = graph.constant(name('share'), new Float32Array(filters).fill(1 / filters), [1, filters, 1, 1])
  const meanSquare = graph.node('Conv', [graph.node('Mul', [responses, responses]), share])
  const tiny = graph.constant(name('tiny'), [1e-6], [])
  const relative = graph.node('Div', [responses, graph.node('Sqrt', [graph.node('Add', [meanSquare, tiny])])])
  const beyond = graph.constant(name('threshold'), [threshold], [])
  const above = graph.node('Relu', [graph.node('Sub', [relative, beyond])])
  const below = graph.node('Relu', [graph.node('Sub', [graph.node('Neg', [relative]), beyond])])
  return graph.node('Concat', [above, below], { axis: 1 })
}

/** Mean over four (overlapping where the side is odd) quarters, and the maximum: [N, 5·maps]. */
function addPooling(graph: OnnxGraph, responses: string, height: number, width: number): string {
  const quarters = graph.node('AveragePool', [responses], {
    kernel_shape: [Math.ceil(height / 2), Math.ceil(width / 2)],
    strides: [Math.max(1, Math.floor(height / 2)), Math.max(1, Math.floor(width / 2))],
  })
  const maxima = graph.node('GlobalMaxPool', [responses])
  return graph.node('Concat', [graph.node('Flatten', [quarters]), graph.node('Flatten', [maxima])], { axis: 1 })
}
