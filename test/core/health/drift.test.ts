import { describe, expect, it } from 'vitest'
import { checkDrift } from '#core/health'
import { numberModel } from '#core/registry'
import { CaptureWriter, createRevision, writeTraffic } from '#core/serving'
import type { DatasetVersion } from '#core/steps'
import { openTableSession } from '#core/tables'
import { lastDrift } from '#core/triggers'
import { COMPARED, driftBetween } from '../../../core/health/drift.ts'
import { reportOf, trainTinyModel } from '../../support/tiny-model.ts'
import { randomNumbers } from '../../support/images.ts'
import { temporaryFolder, type TestContext } from '../imports/support.ts'
import { datasetOf, findingOf, healthOf, photo, stepContext, type Made, type Shown } from './support.ts'

const folder = temporaryFolder()

async function photos(
  from: number,
  count: number,
  made: Made = {},
  label: (i: number) => string = () => 'a',
): Promise<Shown[]> {
  return Promise.all(
    Array.from({ length: count }, async (_, i) => ({ bytes: await photo(from + i, made), label: label(i) })),
  )
}

const darker: Made = { spoil: (image) => image.linear(0.75, 0) }

describe('driftBetween', () => {
  const drift = async (before: readonly object[], now: readonly object[]) => {
    const session = await openTableSession({})
    const whole = (rows: readonly object[]) => rows.map((row, i) => ({ ...NOTHING, digest: `${i}`, ...row }))
    await session.load('before', COMPARED, whole(before))
    await session.load('now', COMPARED, whole(now))
    return driftBetween(session, 'before', 'now').finally(() => session.close())
  }
  const NOTHING = Object.fromEntries(Object.keys(COMPARED).map((name) => [name, null]))

  it('is the largest distance of two distributions, ties and all', async () => {
    // Up to 0.4 lie all of the one and a quarter of the other: the distance is 3/4.
    const before = Array.from({ length: 40 }, (_, i) => ({ blur: 0.1 * ((i % 4) + 1) }))
    const now = Array.from({ length: 40 }, (_, i) => ({ blur: 0.1 * ((i % 4) + 4) }))
    const [drifted, ...others] = await drift(before, now)
    expect(others).toEqual([])
    expect(drifted).toMatchObject({ of: 'blur', text: 'blur rose: its median went from 0.25 to 0.55' })
    expect(drifted!.distance).toBeCloseTo(0.75, 9)
  })

  it('is half the sum of differences of shares for classes', async () => {
    const rows = (counts: Record<string, number>) =>
      Object.entries(counts).flatMap(([label, count]) => Array.from({ length: count }, () => ({ label })))
    const [drifted] = await drift(rows({ dent: 40, ok: 960 }), rows({ dent: 190, ok: 810 }))
    expect(drifted).toMatchObject({ of: 'classes', text: 'share of class dent rose from 4.0\u00a0% to 19.0\u00a0%' })
    expect(drifted!.distance).toBeCloseTo(0.15, 9)
  })

  it('is silent about 60 pairs of samples of one distribution', async () => {
    const draw = randomNumbers(11)
    const sample = (size: number) =>
      Array.from({ length: size }, () => ({
        blur: draw() + draw(),
        colour: draw() ** 4,
        label: 'abcdefgh'[Math.floor(8 * draw() ** 2)]!,
      }))
    const loud: string[] = []
    for (let round = 0; round < 60; round++) for (const { of } of await drift(sample(60), sample(90))) loud.push(of)
    expect(loud.length).toBeLessThanOrEqual(1)
  }, 60_000)
})

describe('checkHealth against another version', () => {
  it('says what differs in the images that were added since', async () => {
    const ctx = stepContext({ scratchDir: folder() })
    const before = await datasetOf(ctx, await photos(0, 60))
    const after = await datasetOf(ctx, await photos(1000, 50, darker))
    expect(after.images).toBe(110)
    const report = await healthOf(ctx, { version: after, against: before })
    expect(report.against).toBe(before.version)
    const finding = report.findings.find(({ kind, title }) => kind === 'drift' && title.includes('brightness'))!
    expect(finding.title).toMatch(
      /^The 50 images added since things@[0-9a-f]{12}: brightness fell: its median went from/,
    )
    expect(finding.images).toBeGreaterThan(15)
  })

  it('finds nothing where more of the same came', async () => {
    const ctx = stepContext({ scratchDir: folder() })
    const before = await datasetOf(ctx, await photos(0, 60))
    const report = await healthOf(ctx, { version: await datasetOf(ctx, await photos(1000, 50)), against: before })
    expect(findingOf(report, 'drift')).toBeUndefined()
  })
})

describe('checkDrift', () => {
  async function served(ctx: TestContext, version: DatasetVersion): Promise<void> {
    const { store } = ctx
    const model = await trainTinyModel(store)
    const report = await reportOf(store, model)
    const lineage = { run: 'r', node: 'register', inputs: { version: version.version }, report: report.report.sha256 }
    const dataset = { name: version.dataset, version: version.version }
    const record = {
      digest: model.digest,
      registeredAt: new Date().toISOString(),
      model,
      report,
      lineage: { ...lineage, dataset },
    }
    const { version: number } = await numberModel(store, 'm', record)
    const serves = { name: 'm', version: number, digest: model.digest }
    const settings = { replicas: 1, queueLimit: 8, captureBytes: 1e9, captureDataset: null }
    await createRevision(store, { endpoint: 'e', revision: 1, model: serves, ...settings })
    await writeTraffic(store, 'e', { 1: 100 }, 'ada')
  }

  async function capture({ store }: TestContext, images: readonly Shown[]): Promise<void> {
    const options = { store, endpoint: 'e', revision: 1, replica: '0', replicas: 1, budgetBytes: 1e9 }
    const writer = new CaptureWriter(options)
    for (const { bytes, label } of images) await writer.offer(bytes, { class: label!, score: 0.9 })
  }

  it('reports that captured images differ from what the model learnt from, once for each image', async () => {
    const ctx = stepContext({ scratchDir: folder() })
    await served(ctx, await datasetOf(ctx, await photos(0, 60)))
    await capture(ctx, await photos(2000, 40, darker))
    const found = await checkDrift({ endpoint: 'e', leastImages: 30 }, ctx)
    expect(found).toMatchObject({ images: 40, reported: expect.stringContaining('(40 captured images)') })
    expect(found.drifted.map(({ of }) => of)).toContain('brightness')
    expect((await lastDrift(ctx.store, 'e'))!.text).toBe(found.reported)
    expect(await checkDrift({ endpoint: 'e', leastImages: 30 }, ctx)).toMatchObject({ images: 0, reported: null })
  })

  it('is silent about more of the same, and about too few images', async () => {
    const ctx = stepContext({ scratchDir: folder() })
    await served(ctx, await datasetOf(ctx, await photos(0, 60)))
    await capture(ctx, await photos(3000, 40))
    expect(await checkDrift({ endpoint: 'e', leastImages: 30 }, ctx)).toMatchObject({
      images: 40,
      drifted: [],
      reported: null,
    })
    expect(await checkDrift({ endpoint: 'e', leastImages: 50 }, ctx)).toMatchObject({
      images: 40,
      drifted: [],
      reported: null,
    })
    expect(await lastDrift(ctx.store, 'e')).toBeNull()
  })
})
