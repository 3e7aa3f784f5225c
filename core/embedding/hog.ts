/**
 * Describes images by the directions of their edges (histograms of oriented gradients, Dalal & Triggs, CVPR 2005): for
 * 4 × 4 places, how strong edges of each of eight directions are there, evened out over the places around. Nothing is
 * learnt.
 */

import type { PixelSize } from '#core/images'
import type { OnnxGraph } from '#core/inference'
import { addGridPooling, GRID, type Part } from './part.ts'

const DIRECTIONS = 8
/** Edges weaker than this, in grey levels between a pixel's two neighbours, count as noise. */
const FLOOR = 12

export function hogPart({ height, width }: PixelSize, channels: 1 | 3): Part {
  return {
    name: 'hog',
    dims: DIRECTIONS * GRID * GRID,
    weight: 0.5,
    add(graph, planes) {
      const places = addGridPooling(graph, addEdges(graph, planes, channels), { height: height - 2, width: width - 2 })
      return graph.node('Sqrt', [graph.node('Flatten', [addEvening(graph, places)])])
    },
  }
}

/**
 * Strength of edges by direction, [N, 8, H − 2, W − 2]: the length of the gradient times the fourth power of the cosine
 * between the two, where that is positive, so that a gradient counts in the directions next to it.
 */
function addEdges(graph: OnnxGraph, planes: string, channels: 1 | 3): string {
  const kernel = Float32Array.from({ length: DIRECTIONS * channels * 9 }, (_, at) => {
    const angle = (2 * Math.PI * Math.floor(at / (channels * 9))) / DIRECTIONS
    return gradient(at % 9, angle) / channels
  })
  const filters = graph.constant('hog/gradients', kernel, [DIRECTIONS, channels, 3, 3])
  const along = graph.node('Relu', [graph.node('Conv', [planes, filters])])
  const squares = graph.node('Mul', [along, along])
  // The squared positive cosines with eight even directions add up to two.
  const half = graph.constant('hog/half', new Float32Array(DIRECTIONS).fill(0.5), [1, DIRECTIONS, 1, 1])
  const length2 = graph.node('Add', [graph.node('Conv', [squares, half]), graph.constant('hog/tiny', [1e-6], [])])
  const length3 = graph.node('Mul', [length2, graph.node('Sqrt', [length2])])
  return graph.node('Div', [graph.node('Mul', [squares, squares]), length3])
}

/** What a cell of a 3 × 3 kernel adds to the gradient along an angle. */
function gradient(cell: number, angle: number): number {
  const across: Readonly<Record<number, number>> = { 3: -1, 5: 1 }
  const down: Readonly<Record<number, number>> = { 1: -1, 7: 1 }
  return (across[cell] ?? 0) * Math.cos(angle) + (down[cell] ?? 0) * Math.sin(angle)
}

/** Divides each place by the strength of all edges in the 3 × 3 places around it. */
function addEvening(graph: OnnxGraph, places: string): string {
  const squares = graph.node('Mul', [places, places])
  const all = graph.constant('hog/all', new Float32Array(DIRECTIONS).fill(1), [1, DIRECTIONS, 1, 1])
  const around = graph.node('AveragePool', [graph.node('Conv', [squares, all])], {
    kernel_shape: [3, 3],
    pads: [1, 1, 1, 1],
  })
  const floor = graph.constant('hog/floor', [FLOOR ** 2], [])
  return graph.node('Div', [places, graph.node('Sqrt', [graph.node('Add', [around, floor])])])
}
