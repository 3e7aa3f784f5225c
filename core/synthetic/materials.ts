/**
 * What the surfaces are made of. Each material fills relief and colour from noise, never twice the same. The palettes
 * are muted: on a factory floor the defect is the colourful thing, if anything is.
 */

import { fractal, noise, smoothStep } from './noise.ts'
import type { Random } from './random.ts'
import { forEachPixel, wholePicture, type Colour, type Surface } from './surface.ts'

export type Material = (surface: Surface, random: Random) => void

/** Position turned by an angle and shifted, so that every piece is cut from another place. */
interface Grid {
  along(x: number, y: number): number
  across(x: number, y: number): number
}

function cutFrom(random: Random): Grid {
  const angle = random.angle()
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)]
  const [shiftX, shiftY] = [random.between(-50, 50), random.between(-50, 50)]
  return {
    along: (x, y) => x * cos + y * sin + shiftX,
    across: (x, y) => y * cos - x * sin + shiftY,
  }
}

function paint(surface: Surface, pixel: number, colour: Colour, shade: number): void {
  for (let channel = 0; channel < 3; channel++)
    surface.albedo[pixel * 3 + channel] = Math.min(1, Math.max(0.02, (colour[channel] ?? 0) * shade))
}

function blend(from: Colour, to: Colour, share: number): Colour {
  return [from[0] + (to[0] - from[0]) * share, from[1] + (to[1] - from[1]) * share, from[2] + (to[2] - from[2]) * share]
}

/** Steel, aluminium or brass, brushed in one direction. */
const brushedMetal: Material = (surface, random) => {
  const colour = random.pick<Colour>([
    [0.58, 0.59, 0.6],
    [0.63, 0.63, 0.62],
    [0.58, 0.55, 0.48],
    [0.51, 0.52, 0.54],
  ])
  const grid = cutFrom(random)
  const seed = random.seed()
  const fineness = random.between(22, 38)
  const depth = random.between(0.0012, 0.0026)
  surface.gloss = random.between(0.35, 0.6)
  forEachPixel(surface.size, wholePicture, (pixel, x, y) => {
    const along = grid.along(x, y)
    const across = grid.across(x, y)
    const brush =
      noise(along * 1.6, across * fineness, seed) + 0.6 * noise(along * 3.1, across * fineness * 2.1, seed + 1)
    surface.height[pixel] = depth * brush
    paint(surface, pixel, colour, 1 + 0.05 * brush + 0.06 * noise(along * 2, across * 3, seed + 2))
  })
}

/** Sand-cast iron: grainy, dull, dark. */
const roughCast: Material = (surface, random) => {
  const colour = random.pick<Colour>([
    [0.4, 0.4, 0.41],
    [0.43, 0.42, 0.41],
    [0.48, 0.48, 0.47],
  ])
  const grid = cutFrom(random)
  const seed = random.seed()
  const grain = random.between(9, 15)
  const depth = random.between(0.006, 0.011)
  surface.gloss = random.between(0.05, 0.18)
  forEachPixel(surface.size, wholePicture, (pixel, x, y) => {
    const relief = fractal(grid.along(x, y) * grain, grid.across(x, y) * grain, seed, 3)
    surface.height[pixel] = depth * relief
    paint(surface, pixel, colour, 1 + 0.1 * relief + 0.05 * noise(x * 3, y * 3, seed + 9))
  })
}

/** Planed wood: year rings bent by low noise, fibres along the grain. */
const wood: Material = (surface, random) => {
  const [light, dark] = random.pick<readonly [Colour, Colour]>([
    [
      [0.63, 0.55, 0.47],
      [0.5, 0.42, 0.35],
    ],
    [
      [0.53, 0.45, 0.39],
      [0.4, 0.33, 0.29],
    ],
    [
      [0.69, 0.64, 0.56],
      [0.58, 0.52, 0.44],
    ],
  ])
  const grid = cutFrom(random)
  const seed = random.seed()
  const rings = random.between(3.5, 7)
  const contrast = random.between(0.4, 0.7)
  surface.gloss = random.between(0.06, 0.2)
  forEachPixel(surface.size, wholePicture, (pixel, x, y) => {
    const along = grid.along(x, y)
    const across = grid.across(x, y)
    const ring = across * rings + 0.8 * fractal(along * 0.9, across * 1.6, seed, 2)
    const phase = ring - Math.floor(ring)
    const late = smoothStep(0.15, 0.85, phase) * (1 - smoothStep(0.88, 1, phase))
    const fibre = noise(along * 5, across * 42, seed + 3)
    surface.height[pixel] = 0.0011 * fibre - 0.0012 * late
    paint(surface, pixel, blend(light, dark, late * contrast), 1 + 0.05 * fibre)
  })
}

/** Plain-woven cloth: warp over weft, weft over warp, threads of slightly different thickness. */
const fabric: Material = (surface, random) => {
  const colour = random.pick<Colour>([
    [0.42, 0.45, 0.51],
    [0.57, 0.55, 0.52],
    [0.47, 0.41, 0.41],
    [0.44, 0.47, 0.45],
  ])
  const grid = cutFrom(random)
  const seed = random.seed()
  const threads = random.between(10, 15)
  const depth = random.between(0.005, 0.009)
  surface.gloss = 0.02
  forEachPixel(surface.size, wholePicture, (pixel, x, y) => {
    const wobble = 0.25 * noise(x * 4, y * 4, seed)
    const warp = grid.along(x, y) * threads + wobble
    const weft = grid.across(x, y) * threads - wobble
    const warpAbove = (Math.floor(warp) + Math.floor(weft)) % 2 === 0
    const [across, along] = warpAbove ? [warp, weft] : [weft, warp]
    const profile =
      Math.sin(Math.PI * (across - Math.floor(across))) *
      (0.55 + 0.45 * Math.sin(Math.PI * (along - Math.floor(along))))
    surface.height[pixel] = depth * profile
    const thread = 1 + 0.07 * noise(Math.floor(across) * 7.3, warpAbove ? 3 : 91, seed + 5)
    paint(surface, pixel, colour, thread * (0.72 + 0.36 * profile) * (warpAbove ? 1.04 : 0.97))
  })
}

/** Lacquered sheet: nearly flat, with the slight orange peel of spray paint. */
const enamel: Material = (surface, random) => {
  const colour = random.pick<Colour>([
    [0.65, 0.65, 0.65],
    [0.39, 0.45, 0.51],
    [0.49, 0.35, 0.34],
    [0.41, 0.48, 0.44],
    [0.62, 0.57, 0.43],
  ])
  const grid = cutFrom(random)
  const seed = random.seed()
  const peel = random.between(7, 12)
  const depth = random.between(0.0015, 0.0035)
  surface.gloss = random.between(0.5, 0.9)
  forEachPixel(surface.size, wholePicture, (pixel, x, y) => {
    const relief = fractal(grid.along(x, y) * peel, grid.across(x, y) * peel, seed, 2)
    surface.height[pixel] = depth * relief
    paint(surface, pixel, colour, 1 + 0.03 * noise(x * 2, y * 2, seed + 4))
  })
}

export const MATERIALS: readonly [Material, ...Material[]] = [brushedMetal, roughCast, wood, fabric, enamel]
