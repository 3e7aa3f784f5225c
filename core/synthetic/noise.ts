/** Smooth random fields over the plane, from which all textures are made. Pure functions of position and seed. */

/** A pseudo-random value in [−1, 1) for one lattice point. */
function lattice(x: number, y: number, seed: number): number {
  let hash = Math.imul(x, 0x27d4eb2d) ^ Math.imul(y, 0x165667b1) ^ seed
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)
  hash = Math.imul(hash ^ (hash >>> 12), 0x297a2d39)
  return ((hash ^ (hash >>> 15)) >>> 0) / 2147483648 - 1
}

/** Value noise: one random value per unit cell corner, joined smoothly. Range [−1, 1]. */
export function noise(x: number, y: number, seed: number): number {
  const left = Math.floor(x)
  const top = Math.floor(y)
  const dx = x - left
  const dy = y - top
  const u = dx * dx * (3 - 2 * dx)
  const v = dy * dy * (3 - 2 * dy)
  const above = lattice(left, top, seed) * (1 - u) + lattice(left + 1, top, seed) * u
  const below = lattice(left, top + 1, seed) * (1 - u) + lattice(left + 1, top + 1, seed) * u
  return above * (1 - v) + below * v
}

/** Octaves of noise, each twice as fine and half as strong. Range about [−1, 1]. */
export function fractal(x: number, y: number, seed: number, octaves: number): number {
  let sum = 0
  let strength = 0.55
  for (let octave = 0; octave < octaves; octave++) {
    sum += strength * noise(x, y, seed + octave * 0x9e3779b9)
    x = x * 2.03 + 17.1
    y = y * 2.03 - 9.7
    strength *= 0.5
  }
  return sum
}

/** 0 below `low`, 1 above `high`, smooth between. */
export function smoothStep(low: number, high: number, value: number): number {
  const t = Math.min(1, Math.max(0, (value - low) / (high - low)))
  return t * t * (3 - 2 * t)
}
