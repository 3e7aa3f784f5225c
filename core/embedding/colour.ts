/**
 * Describes images by their colours: for 4 × 4 places, which shares of the pixels are how light, how red against green,
 * and how yellow against blue. Of grey images, how light. Nothing is learnt.
 */

import type { PixelSize } from '#core/images'
import { addGridPooling, GRID, type Part } from './part.ts'

/** Levels of each axis; a pixel counts in the two next to it. */
const LEVELS = 4

/** An axis in the space of colours: what to take of red, green and blue, and its least and largest level. */
interface Axis {
  readonly of: readonly [number, number, number]
  readonly from: number
  readonly to: number
}

const LIGHT: Axis = { of: [1 / 3, 1 / 3, 1 / 3], from: 0, to: 255 }
/** Strong colours are rare: what lies beyond counts in the last level. */
const RED_GREEN: Axis = { of: [1 / 2, -1 / 2, 0], from: -38, to: 38 }
const YELLOW_BLUE: Axis = { of: [1 / 4, 1 / 4, -1 / 2], from: -38, to: 38 }

export function colourPart(size: PixelSize, channels: 1 | 3): Part {
  const axes = channels === 1 ? [LIGHT] : [LIGHT, RED_GREEN, YELLOW_BLUE]
  const levels = axes.length * LEVELS
  return {
    name: 'colour',
    dims: levels * GRID * GRID,
    weight: 0.25,
    add(graph, planes) {
      const perAxis = [1, axes.length, 1, 1]
      const mix = axes.flatMap(({ of }) => (channels === 1 ? [1] : of))
      const mixed = graph.node('Conv', [planes, graph.constant('colour/axes', mix, [axes.length, channels, 1, 1])])
      const middles = (level: number) => axes.map(({ from, to }) => from + ((to - from) * (level + 0.5)) / LEVELS)
      const lowest = graph.constant('colour/lowest', middles(0), perAxis)
      const highest = graph.constant('colour/highest', middles(LEVELS - 1), perAxis)
      const held = graph.node('Min', [graph.node('Max', [mixed, lowest]), highest])
      // [axis, level] in steps of one level: (value − middle) / step.
      const step = axes.map(({ from, to }) => (to - from) / LEVELS)
      const spread = Float32Array.from({ length: levels * axes.length }, (_, at) => {
        const axis = Math.floor(at / axes.length / LEVELS)
        return at % axes.length === axis ? 1 / step[axis]! : 0
      })
      const shift = axes.flatMap((_, axis) =>
        Array.from({ length: LEVELS }, (_none, level) => -middles(level)[axis]! / step[axis]!),
      )
      const distance = graph.node('Conv', [
        held,
        graph.constant('colour/spread', spread, [levels, axes.length, 1, 1]),
        graph.constant('colour/shift', shift, [levels]),
      ])
      const one = graph.constant('colour/one', [1], [])
      const counts = graph.node('Relu', [graph.node('Sub', [one, graph.node('Abs', [distance])])])
      return graph.node('Sqrt', [graph.node('Flatten', [addGridPooling(graph, counts, size)])])
    },
  }
}
