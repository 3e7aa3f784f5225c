/** One way of describing images: nodes of an ONNX graph, and how long what they give is. Several make an embedder. */

import type { PixelSize } from '#core/images'
import type { OnnxGraph } from '#core/inference'

export interface Part {
  /** As in the name of the graph. */
  readonly name: string
  /** Length of the description. */
  readonly dims: number
  /** Share of the variance of an embedder of several, relative to the others. */
  readonly weight: number
  /**
   * @param planes - float32 [N, channels, H, W], values 0–255.
   * @returns float32 [N, dims], neither centred nor scaled.
   */
  add(graph: OnnxGraph, planes: string): string
}

/** Places along each side of an image. */
export const GRID = 4

/** Means over 4 × 4 places, which overlap by a row or column where they must: [N, C, height, width] → [N, C, 4, 4]. */
export function addGridPooling(graph: OnnxGraph, maps: string, { height, width }: PixelSize): string {
  return graph.node('AveragePool', [maps], {
    kernel_shape: [Math.ceil(height / GRID), Math.ceil(width / GRID)],
    strides: [Math.floor(height / GRID), Math.floor(width / GRID)],
  })
}
