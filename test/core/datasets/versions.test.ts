import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { commitChange, commitLabels, openTables, openVersion, readManifest, type Change } from '#core/datasets'
import { createMemoryStore, digestJson } from '#core/storage'
import { apply, steps } from './changes.ts'
import { boxOf, commitModel, digestOf, emptyModel, factsOf, labelOf, modelOf, nameOf, rules } from './rows.ts'

const by = { by: 'ada', note: '' }
describe('a version made by any changes', () => {
  it('holds what a plain model holds, and has the name that the same rows have written at once', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(steps, { minLength: 1, maxLength: 18 }), async (sequence) => {
        const store = createMemoryStore()
        const model = emptyModel()
        let version: string | null = null
        for (const step of sequence)
          version = (await commitChange(store, { dataset: 'parts', version }, { ...apply(model, step), rules }, by))
            .version.version
        expect(await modelOf(store, { dataset: 'parts', version: version! })).toEqual(model)
        expect(version).toBe((await commitModel(createMemoryStore(), 'parts', model)).version.version)
        expect(version).toBe(nameOf(model))
        const { images, labels } = await readManifest(store, 'parts', version!)
        expect(images).toBe(model.facts.size)
        expect(labels.deltas.length).toBeLessThanOrEqual(16)
      }),
      { numRuns: 8 },
    )
  }, 120_000)

  it('of which a small part changes writes that part, and folds when there would be 17 deltas', async () => {
    const store = createMemoryStore()
    const model = emptyModel()
    for (let n = 0; n < 200; n++) {
      model.facts.set(digestOf(n), factsOf(n))
      model.labels.set(digestOf(n), labelOf(n))
    }
    let version = (await commitModel(store, 'parts', model)).version
    const shapes: [deltas: number, rows: number | undefined][] = []
    const first = await readManifest(store, 'parts', version.version)
    for (let n = 0; n < 17; n++) {
      version = await commitLabels(store, version, [labelOf(n, { label: 'dent' })], { ...by, ref: null })
      const { labels, facts } = await readManifest(store, 'parts', version.version)
      expect(facts).toEqual(first.facts)
      shapes.push([labels.deltas.length, labels.deltas.at(-1)?.rows])
    }
    expect(shapes.slice(0, 2)).toEqual([
      [1, 1],
      [2, 1],
    ])
    expect(shapes.slice(15)).toEqual([
      [16, 1],
      [0, undefined],
    ])
    expect(await (await openVersion(store, version)).classes()).toEqual(['dent'])
  })

  it('that nothing changed in is the same version', async () => {
    const store = createMemoryStore()
    const model = emptyModel()
    model.facts.set(digestOf(1), factsOf(1))
    model.labels.set(digestOf(1), labelOf(1, { label: 'dent' }))
    model.boxes.set(digestOf(1), [boxOf('rim', 2)])
    const { version } = await commitModel(store, 'parts', model)
    const change = { labels: model.labels.values(), facts: model.facts.values(), boxes: model.boxes }
    expect((await commitChange(store, version, change, by)).version).toEqual(version)
  })

  it('has another name where its schema differs', async () => {
    const store = createMemoryStore()
    const { version } = await commitChange(
      store,
      { dataset: 'parts', version: null },
      { facts: [factsOf(1)], labels: [labelOf(1)], rules },
      by,
    )
    const schema = { task: 'single', classes: ['dent', 'clean'], boxes: null, attributes: {} } as const
    const typed = (await commitChange(store, version, { schema }, by)).version
    expect(typed.version).not.toBe(version.version)
    expect((await openVersion(store, typed)).schema).toEqual(schema)
    expect((await commitChange(store, typed, { schema: null }, by)).version).toEqual(version)
  })
})

describe('a version of more than 65,536 images', () => {
  it('is cut by prefix, and keeps the shards and sums of prefixes in which nothing changed', async () => {
    const store = createMemoryStore()
    const many = Array.from({ length: 65_600 }, (_, n) => n)
    const { version } = await commitChange(
      store,
      { dataset: 'parts', version: null },
      { facts: many.map((n) => factsOf(n)), labels: many.map((n) => labelOf(n)), rules },
      by,
    )
    const before = await readManifest(store, 'parts', version.version)
    expect(before.labels.base.map(({ prefix }) => prefix)).toEqual([...'0123456789abcdef'])
    const chosen = many.filter((n) => digestOf(n).startsWith('3')).slice(0, 2)
    const after = await readManifest(
      store,
      'parts',
      (
        await commitLabels(
          store,
          version,
          chosen.map((n) => labelOf(n, { label: 'dent' })),
          by,
        )
      ).version,
    )
    expect(after.labels).toMatchObject({ base: before.labels.base, deltas: [{ rows: 2, gone: 0 }], rows: 65_600 })
    expect(
      after.sums!.filter((sum, i) => digestJson(sum) !== digestJson(before.sums![i])).map(({ prefix }) => prefix),
    ).toEqual(['3'])
    expect(after.imageSet).toBe(before.imageSet)
    const tables = await openTables(store, { dataset: 'parts', version: after.version })
    try {
      expect(await tables.query('SELECT label, count(*) AS images FROM labels GROUP BY label ORDER BY images')).toEqual(
        [
          { label: 'dent', images: 2 },
          { label: null, images: 65_598 },
        ],
      )
    } finally {
      tables.close()
    }
  }, 120_000)
})

describe('a change is refused', () => {
  const cases: readonly (readonly [string, Change, RegExp])[] = [
    [
      'that labels an image which is not there',
      { labels: [labelOf(9)] },
      /^a label names image [0-9a-f]{64}, which the version does not have; add the image or leave the label out$/,
    ],
    [
      'that draws boxes on an image which is not there',
      { boxes: new Map([[digestOf(9), [boxOf('rim', 1)]]]) },
      /^boxes name image/,
    ],
    [
      'that adds an image without its split',
      { facts: [factsOf(9)] },
      /comes without a row of labels; give it one with its split$/,
    ],
    [
      'that names an image twice',
      { labels: [labelOf(1), labelOf(1, { label: 'dent' })] },
      /twice; give one row an image$/,
    ],
    [
      'that removes and describes an image',
      { gone: [digestOf(1)], labels: [labelOf(1, { label: 'dent' })] },
      /both removes image/,
    ],
    [
      'that moves an image from train to test',
      { labels: [labelOf(1, { split: 'test' })] },
      /would move from train to test; leave it in train/,
    ],
    [
      'whose attributes are no JSON object',
      { labels: [labelOf(1, { attributes: '[1]' })] },
      /^attributes are \[1\]; give a JSON object/,
    ],
    [
      'whose box has no extent',
      { boxes: new Map([[digestOf(1), [{ ...boxOf('rim', 1), width: 0 }]]]) },
      /^box 0 of image [0-9a-f]{64} is 1, 1, 0, 3; give finite numbers, the extent above 0$/,
    ],
  ]
  it.each(cases)('%s', async (_, change, message) => {
    const store = createMemoryStore()
    const { version } = await commitChange(
      store,
      { dataset: 'parts', version: null },
      { facts: [factsOf(1)], labels: [labelOf(1)], rules },
      by,
    )
    await expect(commitChange(store, version, change, by)).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      message: expect.stringMatching(message) as unknown,
    })
  })
})

it('a manifest of a newer format is refused in one sentence', async () => {
  const store = createMemoryStore()
  const version = 'a'.repeat(64)
  await store.create(`datasets/parts/versions/${version}.json`, Buffer.from('{"format":3}'))
  await expect(openVersion(store, { dataset: 'parts', version })).rejects.toMatchObject({
    code: 'DATASET_FORMAT_UNKNOWN',
    message: `version ${version} of parts has format 3, this Gyre reads up to 2; use a newer one`,
  })
})
