import { describe, expect, it } from 'vitest'
import { openVersion } from '#core/datasets'
import { actOnFinding, checkHealth } from '#core/health'
import { matrix } from '#core/inference'
import { putBlob } from '#core/storage'
import type { DatasetVersion, Embeddings } from '#core/steps'
import { confidentSuspects, findSuspects } from '../../../core/health/confident-learning.ts'
import { randomNumbers } from '../../support/images.ts'
import { temporaryFolder, type TestContext } from '../imports/support.ts'
import { datasetOf, findingOf, healthOf, photo, stepContext } from './support.ts'

const folder = temporaryFolder()

describe('confidentSuspects', () => {
  it('flags what passes the threshold of another class while its label has less than a fifth of the chance of guessing', () => {
    // Thresholds: class 0 (0.97 + 0.9 + 0.01) / 3 = 0.627; class 1 (0.95 + 0.3) / 2 = 0.625.
    const probabilities = matrix(5, 2, Float32Array.of(0.97, 0.03, 0.9, 0.1, 0.01, 0.99, 0.05, 0.95, 0.7, 0.3))
    const suspects = confidentSuspects(probabilities, Int32Array.of(0, 0, 0, 1, 1))
    expect(suspects.map(({ row, given, likely }) => [row, given, likely])).toEqual([[2, 0, 1]])
    expect(suspects[0]!.chance).toBeCloseTo(0.01, 6)
  })

  it('flags nothing where a class without labels would be likely', () => {
    const probabilities = matrix(2, 2, Float32Array.of(0.01, 0.99, 0.01, 0.99))
    expect(confidentSuspects(probabilities, Int32Array.of(0, 0))).toEqual([])
  })
})

/** Three clouds of points in the plane, and the labels of some of them changed. */
function clouds(count: number, wrong: number) {
  const draw = randomNumbers(5)
  const features = matrix(count, 2)
  const truth = Int32Array.from({ length: count }, (_, i) => i % 3)
  truth.forEach((cloud, i) => {
    const spread = () => draw() + draw() + draw() - 1.5
    features.data.set(
      [4 * Math.cos((2 * Math.PI * cloud) / 3) + spread(), 4 * Math.sin((2 * Math.PI * cloud) / 3) + spread()],
      2 * i,
    )
  })
  const labels = truth.map((cloud, i) => (i < wrong ? (cloud + 1) % 3 : cloud))
  return { features, labels }
}

describe('findSuspects', () => {
  it('finds changed labels of separable classes, all and only them', async () => {
    const groups = Array.from({ length: 300 }, (_, i) => (i * 2_654_435_761).toString(16).padStart(8, '0'))
    const { suspects } = await findSuspects({ ...clouds(300, 12), groups, classes: 3 })
    expect(suspects.map(({ row }) => row).sort((a, b) => a - b)).toEqual(Array.from({ length: 12 }, (_, i) => i))
    for (const { row, likely } of suspects) expect(likely).toBe(row % 3)
  })

  it('judges near duplicates together, so that a copy with the same wrong label does not vouch for it', async () => {
    const { features, labels } = clouds(300, 0)
    // Twenty copies of one image, all labelled wrong alike.
    for (let i = 0; i < 60; i += 3) {
      features.data.set(features.data.subarray(0, 2), 2 * i)
      labels[i] = 1
    }
    const groups = labels.map((_, i) => (i < 60 && i % 3 === 0 ? 0 : i * 2_654_435_761))
    const named = Array.from(groups, (group) => group.toString(16).padStart(8, '0'))
    const { suspects } = await findSuspects({ features, labels, groups: named, classes: 3 })
    const copies = Array.from({ length: 20 }, (_, i) => 3 * i)
    expect(suspects.map(({ row }) => row)).toEqual(expect.arrayContaining(copies))
  })
})

describe('checkHealth with embeddings', () => {
  /** Sixty images of two classes whose embeddings are apart, three of them labelled as the other class. */
  async function labelledSet(
    ctx: TestContext,
  ): Promise<{ version: DatasetVersion; embeddings: Embeddings; wrong: string[] }> {
    const images = await Promise.all(
      Array.from({ length: 60 }, async (_, i) => ({
        bytes: await photo(i, { width: 16, height: 16 }),
        label: i < 3 !== (i % 2 === 0) ? 'even' : 'odd',
      })),
    )
    const version = await datasetOf(ctx, images)
    const facts = await (await openVersion(ctx.store, version)).facts()
    const draw = randomNumbers(9)
    const rows = facts.flatMap(({ source }) => [Number(source) % 2 === 0 ? 1 : -1, draw() - 0.5])
    const blob = await putBlob(ctx.store, new Uint8Array(Float32Array.from(rows).buffer))
    const inputSize = { height: 16, width: 16 }
    const embeddings: Embeddings = {
      kind: 'embeddings',
      dataset: version,
      matrix: blob,
      images: 60,
      dims: 2,
      embedder: blob,
      inputSize,
    }
    return { version, embeddings, wrong: facts.filter(({ source }) => Number(source) < 3).map(({ digest }) => digest) }
  }

  it('names labels that are probably wrong, and what they look like', async () => {
    const ctx = stepContext({ scratchDir: folder() })
    const { version, embeddings, wrong } = await labelledSet(ctx)
    const report = await healthOf(ctx, { version, embeddings })
    expect(report.labelsChecked).toBe(true)
    const finding = findingOf(report, 'mislabelled')!
    expect([...finding.digests].sort()).toEqual([...wrong].sort())
    expect(finding).toMatchObject({ images: 3, severity: 'bad', title: '3 images are probably labelled wrong' })
    expect(finding.details!.rows).toEqual([
      ['odd', 'even', 2],
      ['even', 'odd', 1],
    ])
  })

  it('sends them to labelling in a version that says why; nothing else changes', async () => {
    const ctx = stepContext({ scratchDir: folder() })
    const { version, embeddings, wrong } = await labelledSet(ctx)
    await checkHealth({ version, embeddings }, ctx)
    const changed = await actOnFinding(ctx.store, version, { finding: 'mislabelled', action: 'ask', by: 'ada' })
    expect(changed.images).toBe(3)
    const rows = await (await openVersion(ctx.store, changed.version)).labels()
    expect(
      rows
        .filter(({ label }) => label === null)
        .map(({ digest }) => digest)
        .sort(),
    ).toEqual([...wrong].sort())
    expect(rows.filter(({ excluded }) => excluded !== null)).toEqual([])
  })

  it('says why labels were not checked', async () => {
    const ctx = stepContext({ scratchDir: folder() })
    const { embeddings } = await labelledSet(ctx)
    const few = await datasetOf(ctx, [{ bytes: await photo(1), label: 'a' }], { dataset: 'few' })
    const report = await healthOf(ctx, { version: few, embeddings })
    expect(report).toMatchObject({
      labelsChecked: false,
      notes: ['Labels were not checked: the embeddings are of other images.'],
    })
  })
})

describe('actOnFinding', () => {
  it('excludes the images of a finding and gives its title as the reason', async () => {
    const ctx = stepContext({ scratchDir: folder() })
    const usual = await Promise.all(Array.from({ length: 30 }, async (_, i) => ({ bytes: await photo(i), label: 'a' })))
    const version = await datasetOf(ctx, [
      ...usual,
      { bytes: await photo(99, { spoil: (image) => image.blur(4) }), label: 'a' },
    ])
    await checkHealth({ version }, ctx)
    const without = await actOnFinding(ctx.store, version, { finding: 'blurry', action: 'exclude', by: 'ada' })
    expect(without.images).toBe(1)
    const excluded = (await (await openVersion(ctx.store, without.version)).labels()).filter(
      (row) => row.excluded !== null,
    )
    expect(excluded.map((row) => row.excluded)).toEqual(['1 image is blurry'])
    await checkHealth({ version: without.version }, ctx)
    await expect(
      actOnFinding(ctx.store, without.version, { finding: 'blurry', action: 'exclude', by: 'ada' }),
    ).rejects.toThrow('the report has no finding blurry with images; it has none')
  })

  it('needs a report', async () => {
    const ctx = stepContext({ scratchDir: folder() })
    const version = await datasetOf(ctx, [{ bytes: await photo(1), label: 'a' }])
    await expect(
      actOnFinding(ctx.store, version, { finding: 'blurry', action: 'exclude', by: 'ada' }),
    ).rejects.toMatchObject({
      code: 'HEALTH_NOT_CHECKED',
    })
  })
})
