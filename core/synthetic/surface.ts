/** The piece of material in front of the camera: relief and colour, before any light falls on it. */

export type Colour = readonly [red: number, green: number, blue: number]

/** Positions run over [0, 1] from the top left; lengths and heights are in widths of the picture. */
export interface Surface {
  /** Pixels along one side. */
  readonly size: number
  /** [size, size]; positive towards the camera. */
  readonly height: Float32Array
  /** [size, size, 3]; how much of each colour comes back, 0–1. */
  readonly albedo: Float32Array
  /** Strength of highlights: 0 is chalk, 1 is enamel. */
  gloss: number
}

export function blankSurface(size: number): Surface {
  return { size, height: new Float32Array(size * size), albedo: new Float32Array(size * size * 3), gloss: 0 }
}

/** Calls `visit` for the pixels inside a box (clipped to the picture), with their centres. */
export function forEachPixel(
  size: number,
  box: { readonly left: number; readonly top: number; readonly right: number; readonly bottom: number },
  visit: (pixel: number, x: number, y: number) => void,
): void {
  const columns = [Math.max(0, Math.floor(box.left * size)), Math.min(size - 1, Math.ceil(box.right * size))] as const
  const rows = [Math.max(0, Math.floor(box.top * size)), Math.min(size - 1, Math.ceil(box.bottom * size))] as const
  for (let row = rows[0]; row <= rows[1]; row++)
    for (let column = columns[0]; column <= columns[1]; column++)
      visit(row * size + column, (column + 0.5) / size, (row + 0.5) / size)
}

export const wholePicture = { left: 0, top: 0, right: 1, bottom: 1 } as const

/** Moves a pixel's colour towards another one. `amount` 0–1. */
export function tint(surface: Surface, pixel: number, colour: Colour, amount: number): void {
  for (let channel = 0; channel < 3; channel++) {
    const at = pixel * 3 + channel
    const old = surface.albedo[at] ?? 0
    surface.albedo[at] = old + ((colour[channel] ?? 0) - old) * amount
  }
}

/** Makes a pixel darker (factor below 1) or lighter. */
export function darken(surface: Surface, pixel: number, factor: number): void {
  for (let channel = 0; channel < 3; channel++) {
    const at = pixel * 3 + channel
    surface.albedo[at] = Math.min(1, (surface.albedo[at] ?? 0) * factor)
  }
}
