import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { decodePixels } from '#core/images'
import { renderSurface, renderSurfaces, SURFACE_CLASSES } from '#core/synthetic'

const SIDE = 32
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'gyre-surfaces-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

describe('renderSurface', () => {
  it('gives the same bytes for the same class, index and seed', () => {
    const options = { seed: 3, size: 24 }
    expect(renderSurface('crack', 5, options)).toEqual(renderSurface('crack', 5, options))
  })

  it('gives other bytes for another seed, another index and another class', () => {
    const picture = renderSurface('crack', 5, { seed: 3, size: 24 })
    expect(renderSurface('crack', 5, { seed: 4, size: 24 })).not.toEqual(picture)
    expect(renderSurface('crack', 6, { seed: 3, size: 24 })).not.toEqual(picture)
    expect(renderSurface('dent', 5, { seed: 3, size: 24 })).not.toEqual(picture)
  })

  it('shoots every eightieth picture again, so that its pixels correlate with the one before', () => {
    const of = (index: number) => renderSurface('stain', index, { seed: 7, size: SIDE })
    expect(correlation(of(78), of(79))).toBeGreaterThan(0.98)
    expect(Math.abs(correlation(of(77), of(78)))).toBeLessThan(0.9)
    expect(of(79)).not.toEqual(of(78))
  })
})

describe('renderSurfaces', () => {
  it('writes one sub-folder per class, equally filled, in JPEG and PNG', async () => {
    const directory = path.join(folder, 'set')
    const seen: number[] = []
    const result = await renderSurfaces({ directory, images: 60, size: 24 }, ({ done }) => seen.push(done))
    expect(result).toEqual({
      images: 60,
      classes: ['clean', 'crack', 'dent', 'pitting', 'scratch', 'stain'],
      directory,
    })
    expect((await readdir(directory)).sort()).toEqual(result.classes)
    const cracks = (await readdir(path.join(directory, 'crack'))).sort()
    expect(cracks).toHaveLength(10)
    expect(cracks.slice(3, 6)).toEqual(['crack-0003.jpg', 'crack-0004.png', 'crack-0005.jpg'])
    expect(seen).toEqual(Array.from({ length: 60 }, (_, i) => i + 1))

    const png = await readFile(path.join(directory, 'crack', 'crack-0004.png'))
    expect(await decodePixels(png, { width: 24, height: 24 })).toEqual(renderSurface('crack', 4, { seed: 7, size: 24 }))
  })

  it('leaves a folder alone that holds these very pictures, and replaces those of another seed', async () => {
    const directory = path.join(folder, 'again')
    const file = path.join(directory, 'dent', 'dent-0000.jpg')
    let rendered = 0
    const render = (seed: number) => renderSurfaces({ directory, images: 6, size: 16, seed }, () => rendered++)
    await render(1)
    const first = await readFile(file)
    await render(1)
    expect(rendered).toBe(6)
    await render(2)
    expect(rendered).toBe(12)
    expect(await readFile(file)).not.toEqual(first)
  })

  it('refuses a folder that holds something else', async () => {
    const directory = await mkdtemp(path.join(folder, 'mine-'))
    await writeFile(path.join(directory, 'thesis.txt'), 'irreplaceable')
    await expect(renderSurfaces({ directory, images: 6 })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
    expect(await readdir(directory)).toEqual(['thesis.txt'])
  })

  it('shows no half-filled folder when it is cancelled', async () => {
    const directory = path.join(folder, 'cancelled')
    const stop = new AbortController()
    const rendering = renderSurfaces({ directory, images: 60, size: 16 }, () => stop.abort(), stop.signal)
    await expect(rendering).rejects.toMatchObject({ name: 'AbortError' })
    await expect(readdir(directory)).rejects.toMatchObject({ code: 'ENOENT' })
  })
})

describe('the image set', () => {
  it('is not trivial: a nearest mean on raw pixels stays below 70 %', () => {
    const [train, test] = [pictures(0, 60), pictures(60, 80)]
    const means = SURFACE_CLASSES.map((_, c) => mean(train.filter((picture) => picture.of === c)))
    const right = test.filter((picture) => nearest(means, picture.pixels) === picture.of).length
    expect(right / test.length).toBeLessThan(0.7)
  })

  it('shows its classes in the edges: mean gradient alone tells pitting from clean', () => {
    const edges = (index: number, of: 'clean' | 'pitting') => roughness(renderSurface(of, index, { seed: 7, size: 64 }))
    const clean = Array.from({ length: 40 }, (_, i) => edges(i, 'clean'))
    const pitted = Array.from({ length: 40 }, (_, i) => edges(i, 'pitting'))
    const threshold = [...clean, ...pitted].sort((a, b) => a - b)[40] as number
    const right = clean.filter((e) => e < threshold).length + pitted.filter((e) => e >= threshold).length
    expect(right / 80).toBeGreaterThan(0.65)
  })
})

interface Picture {
  readonly of: number
  readonly pixels: Uint8Array
}

function pictures(from: number, to: number): Picture[] {
  return SURFACE_CLASSES.flatMap((name, of) =>
    Array.from({ length: to - from }, (_, i) => ({
      of,
      pixels: renderSurface(name, from + i, { seed: 7, size: SIDE }),
    })),
  )
}

function mean(of: readonly Picture[]): Float64Array {
  const sum = new Float64Array(SIDE * SIDE * 3)
  for (const { pixels } of of) pixels.forEach((value, i) => (sum[i] = (sum[i] ?? 0) + value / of.length))
  return sum
}

function nearest(means: readonly Float64Array[], pixels: Uint8Array): number {
  const distances = means.map((m) => m.reduce((sum, value, i) => sum + (value - (pixels[i] ?? 0)) ** 2, 0))
  return distances.indexOf(Math.min(...distances))
}

function correlation(a: Uint8Array, b: Uint8Array): number {
  const average = (x: Uint8Array) => x.reduce((sum, value) => sum + value, 0) / x.length
  const [meanA, meanB] = [average(a), average(b)]
  let [ab, aa, bb] = [0, 0, 0]
  for (let i = 0; i < a.length; i++) {
    const [da, db] = [(a[i] ?? 0) - meanA, (b[i] ?? 0) - meanB]
    ab += da * db
    aa += da * da
    bb += db * db
  }
  return ab / Math.sqrt(aa * bb)
}

/** Mean absolute difference to the right-hand neighbour, of the green channel. */
function roughness(pixels: Uint8Array): number {
  let sum = 0
  for (let i = 1; i + 3 < pixels.length; i += 3) sum += Math.abs((pixels[i + 3] ?? 0) - (pixels[i] ?? 0))
  return sum / (pixels.length / 3)
}
