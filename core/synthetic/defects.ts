/** What can be wrong with a surface. Each class changes relief and colour somewhere; `clean` changes nothing. */

import { fractal, noise, smoothStep } from './noise.ts'
import type { Random } from './random.ts'
import { darken, forEachPixel, tint, type Colour, type Surface } from './surface.ts'

export type Defect = (surface: Surface, random: Random) => void

interface Point {
  readonly x: number
  readonly y: number
  /** Half the width of the stroke here. */
  readonly radius: number
}

/** A place not too near the border. */
function somewhere(random: Random, margin: number): { x: number; y: number } {
  return { x: random.between(margin, 1 - margin), y: random.between(margin, 1 - margin) }
}

/**
 * Visits the pixels near a polyline with their strength: 1 on the line, 0.6 at its radius, falling off like a Gaussian.
 * Where strokes overlap each pixel is visited once, with the strongest.
 */
function alongStroke(size: number, stroke: readonly Point[], visit: (pixel: number, strength: number) => void): void {
  const strongest = new Map<number, number>()
  for (let i = 1; i < stroke.length; i++) {
    const [from, to] = [stroke[i - 1] as Point, stroke[i] as Point]
    const reach = 2.5 * Math.max(from.radius, to.radius)
    const [dx, dy] = [to.x - from.x, to.y - from.y]
    const squared = dx * dx + dy * dy || 1e-9
    const box = {
      left: Math.min(from.x, to.x) - reach,
      right: Math.max(from.x, to.x) + reach,
      top: Math.min(from.y, to.y) - reach,
      bottom: Math.max(from.y, to.y) + reach,
    }
    forEachPixel(size, box, (pixel, x, y) => {
      const share = Math.min(1, Math.max(0, ((x - from.x) * dx + (y - from.y) * dy) / squared))
      const radius = from.radius + (to.radius - from.radius) * share
      const away = ((x - from.x - share * dx) ** 2 + (y - from.y - share * dy) ** 2) / (radius * radius)
      const strength = Math.exp(-0.5 * away)
      if (strength > 0.03 && strength > (strongest.get(pixel) ?? 0)) strongest.set(pixel, strength)
    })
  }
  for (const [pixel, strength] of strongest) visit(pixel, strength)
}

/** Something dragged over it: a few long, nearly straight, bright grooves in about one direction. */
const scratch: Defect = (surface, random) => {
  const direction = random.angle()
  const bright = random.between(0.78, 1)
  const metal: Colour = [bright, bright * 0.99, bright * 0.97]
  for (let line = random.whole(5, 9); line > 0; line--) {
    const angle = direction + 0.18 * random.normal()
    const half = random.between(0.4, 0.8)
    const bend = 0.05 * random.normal()
    const radius = random.between(0.008, 0.013)
    const { x, y } = somewhere(random, 0.25)
    const stroke = Array.from({ length: 9 }, (_, i): Point => {
      const t = i / 4 - 1
      const side = bend * t * t
      return {
        x: x + half * t * Math.cos(angle) - side * Math.sin(angle),
        y: y + half * t * Math.sin(angle) + side * Math.cos(angle),
        radius: radius * (1 - 0.55 * Math.abs(t)),
      }
    })
    const depth = random.between(0.006, 0.01)
    const strength = random.between(0.8, 1)
    alongStroke(surface.size, stroke, (pixel, near) => {
      surface.height[pixel] = (surface.height[pixel] ?? 0) - depth * near
      tint(surface, pixel, metal, strength * near)
    })
  }
}

/** Walks in short, jagged steps; the crack thins towards its end and may fork. */
function crackFrom(random: Random, start: Point, heading: number, steps: number, forks: number): Point[][] {
  const strokes: Point[][] = []
  const stroke = [start]
  let here = start
  for (let step = 0; step < steps; step++) {
    const angle = heading + 0.75 * random.normal()
    heading += 0.12 * random.normal()
    const length = random.between(0.04, 0.085)
    here = {
      x: here.x + length * Math.cos(angle),
      y: here.y + length * Math.sin(angle),
      radius: Math.max(0.005, start.radius * (1 - (0.7 * step) / steps)),
    }
    stroke.push(here)
    if (forks > 0 && step > 1 && random.chance(0.3)) {
      const side = random.chance(0.5) ? 0.9 : -0.9
      strokes.push(...crackFrom(random, here, heading + side, Math.ceil((steps - step) * 0.7), forks - 1))
    }
  }
  return [stroke, ...strokes]
}

/** It has broken: one dark, jagged, forking line. */
const crack: Defect = (surface, random) => {
  const { x, y } = somewhere(random, 0.34)
  const heading = random.angle()
  const start = { x, y, radius: random.between(0.015, 0.022) }
  const strokes = [
    ...crackFrom(random, start, heading, random.whole(10, 14), 3),
    ...crackFrom(random, start, heading + Math.PI, random.whole(10, 14), 3),
  ]
  const depth = random.between(0.012, 0.02)
  const dark = random.between(0.82, 0.97)
  for (const stroke of strokes)
    alongStroke(surface.size, stroke, (pixel, near) => {
      surface.height[pixel] = (surface.height[pixel] ?? 0) - depth * near
      tint(surface, pixel, [0.04, 0.035, 0.03], dark * near)
    })
}

/** Something hit it: a smooth hollow with a low rim; only the light betrays it. */
const dent: Defect = (surface, random) => {
  for (let hollow = random.chance(0.25) ? 2 : 1; hollow > 0; hollow--) {
    const { x, y } = somewhere(random, 0.33)
    const radius = random.between(0.27, 0.36)
    const stretch = random.between(0.72, 1)
    const angle = random.angle()
    const [cos, sin] = [Math.cos(angle), Math.sin(angle)]
    const depth = radius * random.between(0.6, 0.8)
    const reach = 1.4 * radius
    const box = { left: x - reach, right: x + reach, top: y - reach, bottom: y + reach }
    forEachPixel(surface.size, box, (pixel, px, py) => {
      const along = (px - x) * cos + (py - y) * sin
      const across = ((py - y) * cos - (px - x) * sin) / stretch
      const r = Math.sqrt(along * along + across * across) / radius
      const bowl = r < 1 ? (1 - r * r) ** 2 : 0
      const rim = 0.1 * Math.exp(-0.5 * ((r - 1.05) / 0.12) ** 2)
      surface.height[pixel] = (surface.height[pixel] ?? 0) + depth * (rim - bowl)
    })
  }
  surface.gloss += 0.1
}

const STAINS: readonly [Colour, ...Colour[]] = [
  [0.5, 0.25, 0.09],
  [0.1, 0.085, 0.065],
  [0.12, 0.16, 0.34],
  [0.86, 0.85, 0.78],
]

/** Something was spilt: ragged soaked patches, drops around them, a darker edge where it dried. */
const stain: Defect = (surface, random) => {
  const colour = random.pick(STAINS)
  const seed = random.seed()
  const strength = random.between(0.6, 0.85)
  const centre = somewhere(random, 0.34)
  const rings = random.between(16, 24)
  const drops = random.whole(5, 10)
  for (let drop = 0; drop <= drops; drop++) {
    const main = drop === 0
    const radius = main ? random.between(0.27, 0.38) : random.between(0.03, 0.07)
    const [x, y] = main ? [centre.x, centre.y] : [centre.x + 0.24 * random.normal(), centre.y + 0.24 * random.normal()]
    const reach = radius * 1.7
    forEachPixel(
      surface.size,
      { left: x - reach, right: x + reach, top: y - reach, bottom: y + reach },
      (pixel, px, py) => {
        const ragged = 1 + 0.38 * fractal(px * 5, py * 5, seed, 3)
        const r = Math.hypot(px - x, py - y) / (radius * ragged)
        const soaked = 1 - smoothStep(0.9, 1.04, r)
        const tide = soaked * smoothStep(0.55, 0.95, Math.sin(r * rings + 2.6 * noise(px * 7, py * 7, seed + 3)))
        const edge = Math.exp(-0.5 * ((r - 0.95) / 0.07) ** 2)
        const patchy = 0.8 + 0.2 * noise(px * 13, py * 13, seed + 7)
        tint(surface, pixel, colour, strength * soaked * patchy)
        darken(surface, pixel, 1 - strength * Math.min(0.6, 0.6 * edge + 0.4 * tide))
      },
    )
  }
  surface.gloss *= 0.6
}

/** Corrosion ate into it: a swarm of small, deep, dark holes. */
const pitting: Defect = (surface, random) => {
  const centre = somewhere(random, 0.34)
  const spread = random.between(0.16, 0.3)
  for (let pit = random.whole(34, 70); pit > 0; pit--) {
    const x = centre.x + spread * random.normal()
    const y = centre.y + spread * random.normal()
    const radius = random.between(0.011, 0.024)
    const depth = radius * random.between(0.7, 1.1)
    const dark = random.between(0.25, 0.5)
    alongStroke(
      surface.size,
      [
        { x, y, radius },
        { x, y, radius },
      ],
      (pixel, near) => {
        surface.height[pixel] = (surface.height[pixel] ?? 0) - depth * near
        darken(surface, pixel, 1 - (1 - dark) * near)
      },
    )
  }
}

const clean: Defect = () => undefined

/** The classes, by folder name. */
export const DEFECTS = { clean, crack, dent, pitting, scratch, stain } as const satisfies Record<string, Defect>

export type SurfaceClass = keyof typeof DEFECTS
export const SURFACE_CLASSES = Object.keys(DEFECTS) as readonly SurfaceClass[]
