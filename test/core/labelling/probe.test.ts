import { beforeAll, describe, expect, it } from 'vitest'
import { featuresOf, type Features } from '../../../core/labelling/features.ts'
import { bringUp, noMoments, roundedFeatures, type LabelMoments } from '../../../core/labelling/label-moments.ts'
import { computeProbe } from '../../../core/labelling/probe-fit.ts'
import { fitProbe } from '../../../core/labelling/probe.ts'
import { labelSpace } from '../../../core/labelling/space.ts'
import { makeBlobs, type Blobs } from './blobs.ts'

const CLASSES = 4
let blobs: Blobs
let features: Features
beforeAll(async () => {
  blobs = makeBlobs({ images: 1_500, classes: CLASSES, spread: 0.05, seed: 3 })
  features = (await labelSpace(blobs.problem.embeddings)).features
})

/** Classes of every n-th image. */
function labelsOf({ problem, truth }: Blobs, every: number): Int32Array {
  return Int32Array.from(problem.digests, (digest, image) =>
    image % every === 0 ? problem.classes.indexOf(truth[digest]!) : -1,
  )
}

/** The sums after these labels, one after the other. */
async function after(...all: readonly Int32Array[]): Promise<LabelMoments> {
  const moments = noMoments(features, CLASSES)
  for (const labels of all) await bringUp(moments, features, labels)
  return moments
}

/** The labels of these images, each moved on by `shift` classes. */
function labelsIn(from: number, to: number, shift = 0): Int32Array {
  return labelsOf(blobs, 1).map((label, image) => (image >= from && image < to ? (label + shift) % CLASSES : -1))
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i)

describe('the features of an image', () => {
  it('have the same bits whichever others are asked for', async () => {
    const all = await featuresOf(features, range(0, 1_500))
    const some = await featuresOf(features, [1_499, 7, 800])
    for (const [place, image] of [1_499, 7, 800].entries())
      expect(some.data.subarray(place * some.cols, (place + 1) * some.cols)).toEqual(
        all.data.subarray(image * all.cols, (image + 1) * all.cols),
      )
  })

  it('have inner products near the kernel', async () => {
    const images = [0, 4, 8, 12, 16]
    const { data, cols } = await featuresOf(features, images)
    const { coordinates } = features
    for (const [i, a] of images.entries())
      for (const [j, b] of images.entries()) {
        let [inner, distance] = [0, 0]
        for (let k = 0; k < cols; k++) inner += data[i * cols + k]! * data[j * cols + k]!
        for (let k = 0; k < coordinates.cols; k++)
          distance += (coordinates.data[a * coordinates.cols + k]! - coordinates.data[b * coordinates.cols + k]!) ** 2
        expect(inner).toBeCloseTo(Math.exp(-0.7 * distance), 1)
      }
  })
})

describe('the sums over labelled images', () => {
  it('have the same bits whether labels came at once, by and by, or went and came back', async () => {
    const atOnce = await after(labelsIn(0, 1_200))
    expect(await after(labelsIn(0, 300), labelsIn(0, 700), labelsIn(0, 1_200))).toEqual(atOnce)
    expect(await after(labelsIn(100, 1_500), labelsIn(0, 1_300), labelsIn(0, 1_200))).toEqual(atOnce)
  })

  it('follow an image to another class', async () => {
    expect(await after(labelsIn(0, 900, 1), labelsIn(0, 900))).toEqual(await after(labelsIn(0, 900)))
  })

  it('begin anew where most images went, with the same bits', async () => {
    expect(await after(labelsIn(0, 1_000), labelsIn(900, 1_100))).toEqual(await after(labelsIn(900, 1_100)))
  })

  it('are those of rounded features', async () => {
    const rows = await roundedFeatures(features, [3, 4])
    const { gram, byClass } = await after(labelsIn(3, 5))
    const product = (i: number, j: number): number =>
      rows.data[i]! * rows.data[j]! + rows.data[rows.cols + i]! * rows.data[rows.cols + j]!
    expect(gram[0]).toBe(product(0, 0))
    expect(gram[2 * rows.cols + 7]).toBe(product(2, 7))
    const label = labelsOf(blobs, 1)[3]!
    expect(byClass.subarray(label * rows.cols, (label + 1) * rows.cols)).toEqual(
      Float64Array.from(rows.data.subarray(0, rows.cols)),
    )
  })
})

describe('the probe', () => {
  it('knows images of well separated classes that nobody labelled', async () => {
    const { best } = await fitProbe(features, labelsOf(blobs, 10), CLASSES)
    const truth = labelsOf(blobs, 1)
    expect(best.filter((guess, image) => guess === truth[image]).length / best.length).toBeGreaterThan(0.97)
  })

  it('says the same after other fits on the same features as after none', async () => {
    const fresh = (await labelSpace(blobs.problem.embeddings)).features
    const wanted = await fitProbe(fresh, labelsOf(blobs, 5), CLASSES)
    await fitProbe(features, labelsOf(blobs, 10), CLASSES)
    await fitProbe(features, labelsOf(blobs, 3), CLASSES)
    expect(await fitProbe(features, labelsOf(blobs, 5), CLASSES)).toEqual(wanted)
  })

  it('takes fits that are asked for at once in turns', async () => {
    const one = fitProbe(features, labelsOf(blobs, 4), CLASSES)
    const other = fitProbe(features, labelsOf(blobs, 7), CLASSES)
    const [first, second] = [await one, await other]
    expect(await fitProbe(features, labelsOf(blobs, 4), CLASSES)).toEqual(first)
    expect(await fitProbe(features, labelsOf(blobs, 7), CLASSES)).toEqual(second)
  })

  it('of a class alone names no second one', async () => {
    const labels = labelsOf(blobs, 10).map((label) => (label < 0 ? -1 : label % 2))
    const { second, best } = await fitProbe(features, labels, CLASSES)
    expect([...new Set([...best, ...second])].sort()).toEqual([0, 1])
  })
})

describe('a probe of many images', () => {
  let many: Blobs
  let wide: Features
  beforeAll(async () => {
    many = makeBlobs({ images: 4_200, classes: CLASSES, spread: 0.1, seed: 4 })
    wide = (await labelSpace(many.problem.embeddings)).features
  }, 60_000)

  it('says in its thread what it says in the calling one', async () => {
    const labels = labelsOf(many, 20)
    const here = await computeProbe({
      ...{ features: wide, moments: noMoments(wide, CLASSES), labels, classes: CLASSES },
      ...{ lambda: undefined, drawn: new Set<number>() },
    })
    expect(await fitProbe(wide, labels, CLASSES)).toEqual(here)
  }, 60_000)

  it('leaves the calling thread free while it computes', async () => {
    let turns = 0
    const turning = setInterval(() => (turns += 1), 1)
    await fitProbe(wide, labelsOf(many, 4), CLASSES)
    clearInterval(turning)
    expect(turns).toBeGreaterThan(10)
  }, 60_000)

  it('stops when it is told to, and fits the next time', async () => {
    const stop = new AbortController()
    const given = fitProbe(wide, labelsOf(many, 2), CLASSES, { signal: stop.signal })
    setImmediate(() => stop.abort(new Error('enough')))
    await expect(given).rejects.toThrow('enough')
    expect((await fitProbe(wide, labelsOf(many, 20), CLASSES)).best).toHaveLength(4_200)
  }, 60_000)
})
