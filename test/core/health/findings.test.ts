import { describe, expect, it } from 'vitest'
import { commitLabels, openVersion } from '#core/datasets'
import { sha256Hex } from '#core/storage'
import { temporaryFolder } from '../imports/support.ts'
import { datasetOf, findingOf, healthOf, photo, stepContext, type Shown } from './support.ts'

const folder = temporaryFolder()

const SPOILT = {
  dark: await photo(1, { spoil: (image) => image.linear(0.3, 0) }),
  bright: await photo(2, { spoil: (image) => image.linear(0.25, 191) }),
  blurry: await photo(3, { spoil: (image) => image.blur(4) }),
  empty: await photo(4, { spoil: (image) => image.linear(0.01, 120) }),
  grey: await photo(5, { spoil: (image) => image.greyscale() }),
  large: await photo(6, { width: 256, height: 192 }),
  long: await photo(7, { width: 120, height: 24 }),
}

async function usual(
  count: number,
  label: (i: number) => string | null = (i) => (i % 2 ? 'a' : 'b'),
): Promise<Shown[]> {
  return Promise.all(Array.from({ length: count }, async (_, i) => ({ bytes: await photo(100 + i), label: label(i) })))
}

describe('checkHealth finds images that look unlike what a set should hold', () => {
  const digest = (name: keyof typeof SPOILT): string => sha256Hex(SPOILT[name])

  it('dark, bright, blurry, empty, grey and odd ones among usual ones, and nothing else', async () => {
    const ctx = stepContext({ scratchDir: folder() })
    const spoilt = Object.values(SPOILT).map((bytes) => ({ bytes, label: 'a' }))
    const version = await datasetOf(ctx, [...spoilt, ...(await usual(60))])
    const report = await healthOf(ctx, { version })
    expect(Object.fromEntries(report.findings.map(({ kind, digests }) => [kind, digests]))).toEqual({
      dark: [digest('dark')],
      bright: [digest('bright')],
      blurry: [digest('blurry')],
      'low-contrast': [digest('empty')],
      'low-information': [digest('empty')],
      grey: [digest('grey')],
      'odd-size': [digest('large')],
      'odd-aspect': [digest('long')],
    })
    expect(report).toMatchObject({ images: 67, excluded: 0, labelled: 67, labelsChecked: false, notes: [] })
  })

  it('the same ones where nobody measured at import, then without a condition that would find them', async () => {
    const ctx = stepContext({ scratchDir: folder() })
    const images = [...(await usual(30)), { bytes: SPOILT.blurry, label: 'a' }, { bytes: SPOILT.large, label: 'a' }]
    const report = await healthOf(ctx, { version: await datasetOf(ctx, images, { measured: false }) })
    expect(findingOf(report, 'blurry')).toMatchObject({ digests: [digest('blurry')], where: null })
    expect(findingOf(report, 'odd-size')).toMatchObject({ digests: [digest('large')], where: expect.any(String) })
    expect(ctx.said.at(-1)).toMatchObject({ done: 32, total: 32, note: 'measuring' })
  })

  it('but not what a tenth or more of the set is like: that is its nature, and said as such', async () => {
    const ctx = stepContext({ scratchDir: folder() })
    const dark = Array.from({ length: 20 }, async (_, i) => photo(300 + i, { spoil: (image) => image.linear(0.3, 0) }))
    const images = (await Promise.all(dark)).map((bytes) => ({ bytes, label: 'a' }))
    const report = await healthOf(ctx, { version: await datasetOf(ctx, [...images, ...(await usual(40))]) })
    expect(findingOf(report, 'dark')).toBeUndefined()
    expect(report.notes).toEqual([
      '31.7\u00a0% of the images are dark even where they are lightest: that is the nature of the set.',
    ])
  })

  it('nor sizes and shapes that a tenth or more have', async () => {
    const ctx = stepContext({ scratchDir: folder() })
    const large = Array.from({ length: 8 }, async (_, i) => ({
      bytes: await photo(i, { width: 256, height: 192 }),
      label: 'a',
    }))
    const report = await healthOf(ctx, {
      version: await datasetOf(ctx, [...(await Promise.all(large)), ...(await usual(40))]),
    })
    expect(findingOf(report, 'odd-size')).toBeUndefined()
    expect(report.notes).toContain(
      '16.7\u00a0% of the images are much smaller or larger than the rest: that is the nature of the set.',
    )
  })

  it('and leaves out what is excluded', async () => {
    const ctx = stepContext({ scratchDir: folder() })
    const version = await datasetOf(ctx, [...(await usual(20)), { bytes: SPOILT.blurry, label: 'a' }])
    const row = (await (await openVersion(ctx.store, version)).labels()).find(
      (label) => label.digest === digest('blurry'),
    )!
    const without = await commitLabels(ctx.store, version, [{ ...row, excluded: 'blurry' }], {
      by: 'ada',
      note: 'blurry',
    })
    expect(await healthOf(ctx, { version: without })).toMatchObject({ images: 20, excluded: 1, findings: [] })
  })
})

describe('checkHealth looks at classes', () => {
  it('rare ones, and ones that a split lacks', async () => {
    const ctx = stepContext({ scratchDir: folder() })
    const images = await usual(62, (i) => (i === 1 ? 'rare' : i % 2 ? 'a' : 'b'))
    const report = await healthOf(ctx, { version: await datasetOf(ctx, images) })
    // 62 labels in three classes: 20.7 would be even, a tenth of it is 2.07.
    expect(findingOf(report, 'imbalance')).toMatchObject({
      title: '1 class is much rarer than the others: rare has 1, 21 would be even',
      where: "excluded is null and label in ('rare')",
      images: 1,
      details: { rows: [['rare', 1, 0]] },
    })
    expect(findingOf(report, 'untested-class')).toMatchObject({ images: 1 })
  })

  it('and is silent where they are even', async () => {
    const ctx = stepContext({ scratchDir: folder() })
    expect((await healthOf(ctx, { version: await datasetOf(ctx, await usual(40)) })).findings).toEqual([])
  })
})

describe('checkHealth looks at metadata', () => {
  const byCamera = (cameraOf: (i: number) => string): Promise<Shown[]> =>
    Promise.all(
      Array.from({ length: 80 }, async (_, i) => ({
        bytes: await photo(500 + i, { format: 'jpeg', camera: cameraOf(i) }),
        label: i % 2 ? 'scratch' : 'clean',
      })),
    )

  it('and says when a camera means a class', async () => {
    const ctx = stepContext({ scratchDir: folder() })
    const images = await byCamera((i) => (i % 2 ? 'Left' : i % 4 ? 'Right' : 'Top'))
    const finding = findingOf(await healthOf(ctx, { version: await datasetOf(ctx, images) }), 'leaking-metadata')
    expect(finding).toMatchObject({ severity: 'bad', images: 80 })
    expect(finding!.details!.rows).toEqual([
      ['Left', 40, 'scratch', 1, 0],
      ['Right', 20, 'clean', 1, 0.333],
      ['Top', 20, 'clean', 1, 0.333],
    ])
    expect(finding!.where).toContain("camera = 'Left' or camera = 'Right' or camera = 'Top'")
  })

  it('and says nothing when cameras saw every class', async () => {
    const ctx = stepContext({ scratchDir: folder() })
    const images = await byCamera((i) => (Math.floor(i / 2) % 2 ? 'Left' : 'Right'))
    expect((await healthOf(ctx, { version: await datasetOf(ctx, images) })).findings).toEqual([])
  })
})
