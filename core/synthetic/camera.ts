/** Takes the picture: light on relief, then lens, exposure and sensor. */

import type { Random } from './random.ts'
import type { Surface } from './surface.ts'

/** How one picture is taken. Two shots of one surface differ only here. */
export interface Shot {
  /** Direction towards the light, unit length; z points to the camera. */
  readonly light: readonly [x: number, y: number, z: number]
  /** Light lost from one side of the picture to the other, along the light's direction, 0–1. */
  readonly falloff: number
  readonly exposure: number
  /** Gains of red and blue against green. */
  readonly warmth: number
  /** Standard deviation of the lens blur, in widths of the picture. */
  readonly blur: number
  readonly vignette: number
  /** Standard deviation of the sensor noise, of full scale. */
  readonly grain: number
}

export function chooseShot(random: Random): Shot {
  const azimuth = random.angle()
  const elevation = random.between(0.6, 1.05)
  return {
    light: [Math.cos(azimuth) * Math.cos(elevation), Math.sin(azimuth) * Math.cos(elevation), Math.sin(elevation)],
    falloff: random.between(0, 0.3),
    exposure: random.between(0.78, 1.25),
    warmth: random.between(-0.06, 0.06),
    blur: random.between(0.003, 0.009),
    vignette: random.between(0, 0.3),
    grain: random.between(0.006, 0.018),
  }
}

/** The same piece of material a moment later: a little more or less light, new noise. */
export function shootAgain(shot: Shot, random: Random): Shot {
  return { ...shot, exposure: shot.exposure * random.between(0.92, 1.08), grain: random.between(0.004, 0.008) }
}

/** @returns RGB bytes, [size, size, 3]. */
export function takePicture(surface: Surface, shot: Shot, random: Random): Uint8Array {
  const lit = illuminate(surface, shot)
  blurred(lit, surface.size, shot.blur * surface.size)
  return develop(lit, surface.size, shot, random)
}

/** Diffuse and glossy reflection (Blinn–Phong) from the slopes of the relief. A flat spot reflects its own colour. */
function illuminate({ size, height, albedo, gloss }: Surface, { light, falloff }: Shot): Float32Array {
  const lit = new Float32Array(size * size * 3)
  const [lx, ly, lz] = light
  const toHalf = 1 / Math.hypot(lx, ly, lz + 1)
  const [hx, hy, hz] = [lx * toHalf, ly * toHalf, (lz + 1) * toHalf]
  for (let row = 0; row < size; row++) {
    const [above, below] = [Math.max(0, row - 1), Math.min(size - 1, row + 1)]
    for (let column = 0; column < size; column++) {
      const [before, after] = [Math.max(0, column - 1), Math.min(size - 1, column + 1)]
      const pixel = row * size + column
      const slopeX =
        (((height[row * size + after] ?? 0) - (height[row * size + before] ?? 0)) * size) / (after - before)
      const slopeY =
        (((height[below * size + column] ?? 0) - (height[above * size + column] ?? 0)) * size) / (below - above)
      const length = 1 / Math.sqrt(slopeX * slopeX + slopeY * slopeY + 1)
      const diffuse = Math.max(0.12, ((lz - slopeX * lx - slopeY * ly) * length) / lz)
      const facing = Math.max(0, (hz - slopeX * hx - slopeY * hy) * length)
      const highlight = gloss * 0.5 * facing ** 24
      const across = 1 - falloff * (0.5 - ((column / size - 0.5) * lx + (row / size - 0.5) * ly))
      for (let channel = 0; channel < 3; channel++) {
        const at = pixel * 3 + channel
        lit[at] = across * ((albedo[at] ?? 0) * (0.25 + 0.75 * diffuse) + highlight)
      }
    }
  }
  return lit
}

/** Gaussian blur in place, three taps each way: enough for a lens, whose blur stays below one pixel or so. */
function blurred(image: Float32Array, size: number, sigma: number): void {
  const side = Math.exp(-0.5 / (sigma * sigma + 1e-6))
  const centre = 1 / (1 + 2 * side)
  const line = new Float32Array(size)
  for (const [step, stride] of [
    [3, size * 3],
    [size * 3, 3],
  ] as const)
    for (let start = 0; start < size; start++)
      for (let channel = 0; channel < 3; channel++) {
        const base = start * stride + channel
        for (let i = 0; i < size; i++) line[i] = image[base + i * step] ?? 0
        for (let i = 0; i < size; i++) {
          const neighbours = (line[Math.max(0, i - 1)] ?? 0) + (line[Math.min(size - 1, i + 1)] ?? 0)
          image[base + i * step] = centre * ((line[i] ?? 0) + side * neighbours)
        }
      }
}

/** Exposure, colour cast, vignette, noise, and a soft shoulder so that highlights do not clip hard. */
function develop(lit: Float32Array, size: number, shot: Shot, random: Random): Uint8Array {
  const gains = [shot.exposure * (1 + shot.warmth), shot.exposure, shot.exposure * (1 - shot.warmth)]
  const picture = new Uint8Array(size * size * 3)
  for (let row = 0; row < size; row++)
    for (let column = 0; column < size; column++) {
      const [dx, dy] = [column / size - 0.5, row / size - 0.5]
      const lens = 1 - shot.vignette * 2 * (dx * dx + dy * dy)
      const noise = shot.grain * random.normal()
      for (let channel = 0; channel < 3; channel++) {
        const at = (row * size + column) * 3 + channel
        const light = (lit[at] ?? 0) * (gains[channel] ?? 1) * lens
        const value = light < 0.8 ? light : 0.8 + 0.2 * (1 - Math.exp(-(light - 0.8) / 0.2))
        picture[at] = Math.round(255 * Math.min(1, Math.max(0, value + noise)))
      }
    }
  return picture
}
