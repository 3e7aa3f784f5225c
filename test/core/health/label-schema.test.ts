import { describe, expect, it } from 'vitest'
import { commitChange, commitLabels, openVersion, type Box, type ImageLabel, type LabelSchema } from '#core/datasets'
import { migrateSchema, planMigration, previewMigration, schemaOf, setSchema } from '#core/health'
import type { DatasetVersion } from '#core/steps'
import { temporaryFolder, type TestContext } from '../imports/support.ts'
import { datasetOf, findingOf, healthOf, photo, stepContext } from './support.ts'

const folder = temporaryFolder()
const by = { by: 'ada', reason: 'new classes' }

/** @param said - of each image what its row of labels says. */
async function labelled(ctx: TestContext, said: readonly Partial<ImageLabel>[]): Promise<DatasetVersion> {
  const images = await Promise.all(
    said.map(async (_, i) => ({ bytes: await photo(i, { width: 8, height: 8 }), label: null })),
  )
  const version = await datasetOf(ctx, images)
  const rows = await rowsOf(ctx, version)
  const sources = await (await openVersion(ctx.store, version)).facts()
  const labels = rows.map((row, i) => ({ ...row, ...said[Number(sources[i]!.source)]! }))
  return commitLabels(ctx.store, version, labels, { by: 'ada', note: 'labels' })
}

async function rowsOf(ctx: TestContext, version: DatasetVersion): Promise<readonly ImageLabel[]> {
  return (await openVersion(ctx.store, version)).labels()
}

/** How many images say what. */
async function tally(ctx: TestContext, version: DatasetVersion): Promise<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const { label, tags } of await rowsOf(ctx, version)) {
    const said = [label, ...(tags ?? [])].join('+')
    counts[said] = (counts[said] ?? 0) + 1
  }
  return counts
}

const seen = { origin: 'human', humanSeen: true } as const
const label = (name: string, size?: string): Partial<ImageLabel> => ({
  ...seen,
  label: name,
  attributes: size === undefined ? null : JSON.stringify({ size }),
})

describe('planMigration', () => {
  it('follows a label through several operations', () => {
    const { classes, to } = planMigration(
      ['dent', 'scratch', 'ok'],
      [
        { do: 'rename', class: 'ok', to: 'good' },
        { do: 'split', class: 'scratch', into: ['deep', 'light'], by: 'depth' },
        { do: 'merge', classes: ['dent', 'deep'], to: 'bad' },
        { do: 'add', class: 'unsure' },
      ],
    )
    expect(classes).toEqual(['bad', 'light', 'good', 'unsure'])
    expect(Object.fromEntries(to)).toEqual({
      dent: 'bad',
      scratch: { by: 'depth', of: { deep: 'bad', light: 'light' } },
      ok: 'good',
    })
  })

  it('refuses classes that are not there, and names that are taken', () => {
    expect(() => planMigration(['a'], [{ do: 'remove', class: 'b' }])).toThrow(
      'there is no class b to remove; there are a',
    )
    expect(() => planMigration(['a', 'b'], [{ do: 'rename', class: 'a', to: 'b' }])).toThrow('makes class b twice')
    expect(() => planMigration(['a', 'b'], [{ do: 'split', class: 'a', into: ['b', 'c'] }])).toThrow(
      'makes class b twice',
    )
  })
})

describe('a label schema', () => {
  it('is what the labels say until somebody sets one', async () => {
    const ctx = stepContext({ scratchDir: folder() })
    const version = await labelled(ctx, [
      label('dent', 'small'),
      { ...label('ok'), attributes: JSON.stringify({ line: 3, 'a/b': true }) },
      {},
    ])
    expect(await schemaOf(ctx.store, version)).toMatchObject({
      isSet: false,
      schema: {
        task: 'single',
        classes: ['dent', 'ok'],
        boxes: null,
        attributes: { 'a/b': 'boolean', line: 'number', size: 'text' },
      },
    })
  })

  it('makes a version when it is set, and the check names what does not follow it', async () => {
    const ctx = stepContext({ scratchDir: folder() })
    const before = await labelled(ctx, [
      label('dent', 'small'),
      label('dent', 'tiny'),
      label('hole'),
      { tags: ['night'] },
    ])
    const schema: LabelSchema = {
      task: 'single',
      classes: ['dent'],
      boxes: null,
      attributes: { size: ['small', 'large'] },
    }
    const version = await setSchema(ctx.store, before, schema, by)
    expect(version.version).not.toBe(before.version)
    expect(await schemaOf(ctx.store, version)).toMatchObject({ isSet: true, schema })
    const { findings } = await healthOf(ctx, { version })
    expect(findings.filter(({ kind }) => kind === 'schema').map(({ title }) => title)).toEqual([
      '1 image is labelled with a class that the schema does not have',
      '1 image is with a value of size that the schema does not have',
    ])
  })

  it('of type multi holds tags to its classes; a number must be one; boxes need their own classes', async () => {
    const ctx = stepContext({ scratchDir: folder() })
    const before = await labelled(ctx, [
      { tags: ['dent', 'rust'] },
      { tags: ['dent'], attributes: '{"line":"three"}' },
      { attributes: '{"line":3.5}' },
      { attributes: '{"colour":"red"}' },
    ])
    const schema = { task: 'multi', classes: ['dent'], boxes: ['hole'], attributes: { line: 'number' } }
    const set = await setSchema(ctx.store, before, schema, by)
    const box = { class: 'crack', x: 0, y: 0, width: 4, height: 4, attributes: null, origin: 'human' } as const
    const boxes = new Map([[(await rowsOf(ctx, set))[0]!.digest, [box as unknown as Box]]])
    const { version } = await commitChange(ctx.store, set, { boxes }, { by: 'ada', note: 'boxes' })
    const report = await healthOf(ctx, { version })
    expect(report.findings.filter(({ kind }) => kind === 'schema').map(({ title }) => title)).toEqual([
      '1 image is tagged with a class that the schema does not have',
      '1 image is with boxes that the schema does not have',
      '1 image is with attributes that the schema does not have',
      '1 image is with line being no number',
    ])
    expect(findingOf(report, 'schema')!.severity).toBe('bad')
  })

  it('is refused with the path of what does not fit', async () => {
    const ctx = stepContext({ scratchDir: folder() })
    const version = await labelled(ctx, [label('a')])
    const schema = { task: 'single', classes: ['a', 'a'], boxes: null, attributes: {} }
    await expect(setSchema(ctx.store, version, schema, by)).rejects.toThrow('schema.classes')
  })
})

describe('a migration', () => {
  it('renames and merges without a person, and keeps who saw what', async () => {
    const ctx = stepContext({ scratchDir: folder() })
    const version = await labelled(ctx, [label('dent'), label('hole'), label('ok'), {}])
    const operations = [
      { do: 'merge', classes: ['dent', 'hole'], to: 'damage' } as const,
      { do: 'rename', class: 'ok', to: 'good' } as const,
    ]
    const done = await migrateSchema(ctx.store, version, { of: 'labels', operations }, by)
    expect(done.moves).toEqual([
      { from: 'dent', to: 'damage', images: 1 },
      { from: 'hole', to: 'damage', images: 1 },
      { from: 'ok', to: 'good', images: 1 },
    ])
    expect(done.needsPerson.images).toBe(0)
    expect(await tally(ctx, done.version)).toEqual({ damage: 2, good: 1, '': 1 })
    expect((await rowsOf(ctx, done.version)).filter(({ humanSeen }) => humanSeen)).toHaveLength(3)
    expect((await schemaOf(ctx.store, done.version)).schema.classes).toEqual(['damage', 'good'])
    expect(await tally(ctx, version)).toEqual({ dent: 1, hole: 1, ok: 1, '': 1 })
  })

  it('asks people about exactly the images that no attribute decides when a class is split', async () => {
    const ctx = stepContext({ scratchDir: folder() })
    const version = await labelled(ctx, [
      label('dent', 'small'),
      label('dent', 'large'),
      label('dent', 'odd'),
      label('dent'),
      label('ok'),
    ])
    const operations = [{ do: 'split', class: 'dent', into: ['small', 'large'], by: 'size' } as const]
    const undecided = (await rowsOf(ctx, version))
      .filter(
        (row) => row.label === 'dent' && row.attributes !== '{"size":"small"}' && row.attributes !== '{"size":"large"}',
      )
      .map(({ digest }) => digest)
    const plan = await previewMigration(ctx.store, version, { of: 'labels', operations })
    expect(plan.needsPerson).toMatchObject({ images: 2, digests: undecided })
    const done = await migrateSchema(ctx.store, version, { of: 'labels', operations }, by)
    expect(done.needsPerson.digests).toEqual(undecided)
    expect(await tally(ctx, done.version)).toEqual({ small: 1, large: 1, '': 2, ok: 1 })
    const unsaid = (await rowsOf(ctx, done.version)).filter((row) => row.label === null)
    for (const row of unsaid) expect(row).toMatchObject({ origin: null, humanSeen: false })
  })

  it('takes a removed class back from labels, and tags follow in a set of type multi', async () => {
    const ctx = stepContext({ scratchDir: folder() })
    const before = await labelled(ctx, [{ tags: ['dent', 'rust'] }, { tags: ['rust'] }, { tags: ['ok'] }])
    const schema = { task: 'multi', classes: ['dent', 'rust', 'ok'], boxes: null, attributes: {} }
    const version = await setSchema(ctx.store, before, schema, by)
    const operations = [{ do: 'remove', class: 'rust' } as const, { do: 'rename', class: 'dent', to: 'bump' } as const]
    const done = await migrateSchema(ctx.store, version, { of: 'labels', operations }, by)
    expect(done.moves).toEqual([{ from: 'dent', to: 'bump', images: 1 }])
    expect(done.needsPerson.images).toBe(2)
    expect(await tally(ctx, done.version)).toEqual({ '+bump': 1, '': 1, '+ok': 1 })
  })

  it('moves classes of boxes, and numbers what is left from 0', async () => {
    const ctx = stepContext({ scratchDir: folder() })
    const before = await labelled(ctx, [label('a'), label('a')])
    const [first] = await rowsOf(ctx, before)
    const at = { x: 0, y: 0, width: 4, height: 4, attributes: null, origin: 'human' }
    const boxes = new Map([
      [first!.digest, ['hole', 'crack', 'hole'].map((name) => ({ ...at, class: name }) as unknown as Box)],
    ])
    const { version } = await commitChange(ctx.store, before, { boxes }, { by: 'ada', note: 'boxes' })
    const operations = [{ do: 'remove', class: 'crack' } as const, { do: 'rename', class: 'hole', to: 'pit' } as const]
    const done = await migrateSchema(ctx.store, version, { of: 'boxes', operations }, by)
    const left = await (await openVersion(ctx.store, done.version)).boxes()
    expect(left.map(({ number, class: name }) => [number, name])).toEqual([
      [0, 'pit'],
      [1, 'pit'],
    ])
    expect(done.schema.boxes).toEqual(['pit'])
  })
})
