import { mkdtemp, readdir, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { changeImages, dropCatalogs, openCatalog, type Catalog, type CatalogOptions } from '#core/catalog'
import type { DatasetVersion } from '#core/steps'
import { openTableSession } from '#core/tables'
import { createMemoryStore, type ObjectStore } from '#core/storage'
import { readCatalog } from '../../../core/catalog/catalog.ts'
import { digestOf, madeVersion, type Made } from './made.ts'

let folder: string
let store: ObjectStore
const opened: Catalog[] = []

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'gyre-catalog-test-'))
  store = createMemoryStore()
})

afterEach(async () => {
  await Promise.all(opened.splice(0).map((catalog) => catalog.close()))
  await rm(folder, { recursive: true, force: true })
})

async function open(version: DatasetVersion, options: Partial<CatalogOptions> = {}): Promise<Catalog> {
  const catalog = await openCatalog(store, version, { cacheDir: folder, ...options })
  opened.push(catalog)
  return catalog
}

const byAda = { by: 'ada', reason: 'wet' }

/** Names i0 … i(n−1), ascending by digest. */
const names = (n: number): string[] =>
  Array.from({ length: n }, (_, i) => `i${i}`).sort((a, b) => (digestOf(a) < digestOf(b) ? -1 : 1))

const many = (n: number, make: (i: number) => Made): Promise<DatasetVersion> =>
  madeVersion(store, 'parts', Object.fromEntries(Array.from({ length: n }, (_, i) => [`i${i}`, make(i)])))

const sourceOf = ({ source }: { source: string }): string => source.slice(0, -'.png'.length)

describe('for a map', () => {
  it('a column is a byte an image in the order of digests, the most frequent value first', async () => {
    const catalog = await open(
      await many(90, (i) => ({ label: i % 3 === 0 ? null : i % 3 === 1 || i < 30 ? "it's" : 'dent' })),
    )
    const { values, codes } = await catalog.codes('label')
    const { rows } = await catalog.page({ from: 0, count: 90 })
    expect(values).toEqual(["it's", null, 'dent'])
    expect(Array.from(codes, (code) => values[code])).toEqual(rows.map(({ label }) => label))
    expect((await catalog.codes('humanSeen')).values.every((value) => typeof value === 'boolean')).toBe(true)
    await expect(catalog.codes('blur')).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  })

  it('values beyond the 255 most frequent share one code', async () => {
    const catalog = await open(await many(300, (i) => ({ label: `c${i}` })))
    const { values, codes } = await catalog.codes('label')
    expect(values).toHaveLength(255)
    expect(codes.filter((code) => code === 255)).toHaveLength(45)
  })

  it('images are named by their place in the order of digests', async () => {
    const catalog = await open(await many(25, () => ({})))
    const all = (await catalog.page({ from: 0, count: 25 })).rows.map(({ digest }) => digest)
    expect(await catalog.digestsAt([3, 0, 24, 99])).toEqual([all[0], all[3], all[24]])
    expect(await catalog.digestsAt([])).toEqual([])
  })
})

describe('pages', () => {
  it('lie one after the other in order of digest, and a page beyond the end is empty', async () => {
    const catalog = await open(await many(25, () => ({})))
    const pages = []
    for (const from of [0, 10, 20, 30]) pages.push(await catalog.page({ from, count: 10 }))
    expect(pages.map(({ total }) => total)).toEqual([25, 25, 25, 25])
    expect(pages.map(({ rows }) => rows.length)).toEqual([10, 10, 5, 0])
    expect(pages.flatMap(({ rows }) => rows.map(sourceOf))).toEqual(names(25))
  })

  it('of a condition, in an order, agree with sorting the rows by hand', async () => {
    const catalog = await open(
      await many(200, (i) => ({ blur: i % 7 === 0 ? null : (i % 13) / 13, label: i % 3 ? 'dent' : null })),
    )
    const { rows: all } = await catalog.page({ from: 0, count: 200 })
    const wanted = all
      .filter(({ label }) => label === 'dent')
      .sort((a, b) => (b.blur ?? -1) - (a.blur ?? -1) || (a.digest < b.digest ? -1 : 1))
    const pages = []
    for (let from = 0; from < 140; from += 20)
      pages.push(await catalog.page({ where: "label = 'dent'", order: '-blur', from, count: 20 }))
    expect(pages.flatMap(({ rows }) => rows)).toEqual(wanted)
    expect(pages[0]!.total).toBe(wanted.length)
  })

  it('may be ordered by several columns, and refuse one that there is not', async () => {
    const catalog = await open(await many(6, (i) => ({ label: ['b', 'a', null][i % 3]!, width: 10 + i })))
    const { rows } = await catalog.page({ order: 'label,-width', from: 0, count: 6 })
    expect(rows.map(sourceOf)).toEqual(['i4', 'i1', 'i3', 'i0', 'i5', 'i2'])
    for (const order of ['nothing', 'tags', 'width;drop table images', '-', 'a,b,c,d,e'])
      await expect(catalog.page({ order, from: 0, count: 1 })).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  })

  it('show an image whole', async () => {
    const version = await madeVersion(store, 'parts', {
      one: {
        ...{ width: 640, blur: 0.25, group: digestOf('other'), camera: 'Canon', label: 'dent', tags: ['a', 'b'] },
        ...{ split: 'test', attributes: '{"line":3}', origin: 'human', humanSeen: true, randomDraw: true },
        ...{ excluded: 'broken', boxes: ['crack', 'dent', 'crack'] },
      },
    })
    const { rows } = await (await open(version)).page({ from: 0, count: 5 })
    expect(rows).toEqual([
      {
        ...{ digest: digestOf('one'), width: 640, height: 32, sizeBytes: 1_000, format: 'png', source: 'one.png' },
        ...{ uri: null, group: digestOf('other'), split: 'test', label: 'dent', tags: ['a', 'b'] },
        ...{ attributes: '{"line":3}', origin: 'human', humanSeen: true, randomDraw: true, excluded: 'broken' },
        ...{ boxes: 3, boxClasses: ['crack', 'dent'], brightness: 0.5, contrast: 0.2, blur: 0.25, entropy: 6 },
        ...{ colour: 0.1, camera: 'Canon', takenAt: null },
      },
    ])
  })

  it('go on from a digest', async () => {
    const catalog = await open(await many(10, (i) => ({ label: i % 2 ? 'odd' : null })))
    const odd = names(10).filter((name) => Number(name.slice(1)) % 2)
    const first = await catalog.after({ where: "label = 'odd'", digest: '', count: 2 })
    const rest = await catalog.after({ where: "label = 'odd'", digest: first[1]!.digest, count: 9 })
    expect([...first, ...rest].map(sourceOf)).toEqual(odd)
  })
})

it('counts, digests, single rows and places of bytes come from the same table', async () => {
  const catalog = await open(await many(9, (i) => ({ width: i })))
  expect(await catalog.count()).toBe(9)
  expect(await catalog.count('width >= 5')).toBe(4)
  const digests = []
  for await (const some of catalog.digests('width >= 5')) digests.push(...some)
  expect(digests).toEqual([5, 6, 7, 8].map((i) => digestOf(`i${i}`)).sort())
  const rows = await catalog.rowsOf([digestOf('i3'), digestOf('nobody'), digestOf('i1'), 'no digest'])
  expect(rows.map(sourceOf)).toEqual(['i3', 'i1'])
  expect(await catalog.placeOf(digestOf('i3'))).toEqual({
    ...{ digest: digestOf('i3'), pack: digestOf('pack'), offset: 512, sizeBytes: 1_000 },
    ...{ uri: null, etag: null },
  })
  expect(await catalog.placeOf(digestOf('nobody'))).toBeNull()
})

it('a question that takes too long is given up, and the next one is answered', async () => {
  const version = await many(2_000, (i) => ({ width: i }))
  await (await open(version)).close()
  opened.pop()
  const file = path.join(folder, 'parts', `${version.version}.1.duckdb`)
  const catalog = await readCatalog(file, version, await mkdtemp(path.join(folder, 'spill-')), 1)
  opened.push(catalog)
  const heavy = Array.from({ length: 60 }, (_, i) => `regexp_matches(source, '(.*x){40}${i}')`).join(' or ')
  await expect(catalog.facets(heavy)).rejects.toMatchObject({ code: 'QUERY_TOO_SLOW' })
  expect((await (await open(version)).page({ from: 1_990, count: 20 })).rows).toHaveLength(10)
})

describe('facets', () => {
  it('count values, the most first, and leave out columns that hold nothing', async () => {
    const catalog = await open(
      await many(10, (i) => ({
        label: i < 6 ? 'dent' : i < 9 ? null : 'clean',
        tags: i < 2 ? ['wet', 'night'] : null,
      })),
    )
    const facets = new Map((await catalog.facets()).map((facet) => [facet.column, facet]))
    expect(facets.get('label')).toEqual({
      column: 'label',
      kind: 'values',
      buckets: [
        { value: 'dent', images: 6 },
        { value: null, images: 3 },
        { value: 'clean', images: 1 },
      ],
      more: false,
    })
    expect(facets.get('tags')!.buckets).toEqual([
      { value: 'night', images: 2 },
      { value: 'wet', images: 2 },
    ])
    expect(facets.get('humanSeen')!.buckets).toEqual([{ value: false, images: 10 }])
    expect([...facets.keys()]).not.toContain('camera')
    expect([...facets.keys()]).not.toContain('excluded')
  })

  it('say that there are more values than are shown', async () => {
    const catalog = await open(await many(60, (i) => ({ label: `class-${i}` })))
    const label = (await catalog.facets()).find(({ column }) => column === 'label')!
    expect(label.buckets).toHaveLength(50)
    expect(label.more).toBe(true)
  })

  it('cut numbers into ranges that stay while people filter, and hold every image', async () => {
    const catalog = await open(await many(100, (i) => ({ blur: i / 100, width: i < 50 ? 32 : 64 })))
    const all = (await catalog.facets()).find(({ column }) => column === 'blur')!
    const some = (await catalog.facets('blur < 0.3')).find(({ column }) => column === 'blur')!
    const ends = ({ buckets }: typeof all) => buckets.map((bucket) => 'from' in bucket && [bucket.from, bucket.to])
    const sum = ({ buckets }: typeof all) => buckets.reduce((total, { images }) => total + images, 0)
    expect(all.buckets).toHaveLength(20)
    expect(ends(all)).toEqual(ends(some))
    expect([sum(all), sum(some)]).toEqual([100, 30])
    expect(ends(all)[0]).toMatchObject([0, expect.any(Number)])
    expect(ends(all).at(-1)).toMatchObject([expect.any(Number), 0.99])
    const widths = (await catalog.facets()).find(({ column }) => column === 'width')!
    expect(sum(widths)).toBe(100)
  })
})

describe('the folder of catalogs', () => {
  const files = async (dataset: string): Promise<string[]> =>
    (await readdir(path.join(folder, dataset)).catch(() => [])).sort()

  it('gets one file a version, made once and told of as it grows', async () => {
    const version = await many(3, () => ({}))
    const told: number[][] = []
    const onProgress = (done: number, total: number): void => void told.push([done, total])
    await Promise.all([open(version, { onProgress }), open(version, { onProgress }), open(version, { onProgress })])
    expect(told).toEqual([[3, 3]])
    await open(version, { onProgress })
    expect(told).toHaveLength(1)
    expect(await files('parts')).toEqual([`${version.version}.1.duckdb`])
  })

  it('makes the catalog of a changed version from that of the one before, with the same content', async () => {
    const version = await many(60, (i) => ({ label: i % 2 ? 'dent' : null, width: i, boxes: i < 5 ? ['crack'] : [] }))
    await open(version)
    const tagged = await changeImages(store, version, { where: 'width < 4' }, { action: 'tag', label: 'wet' }, byAda)
    await open(tagged.version)
    const changed = await changeImages(
      store,
      tagged.version,
      { where: 'width in (3, 9)' },
      { action: 'exclude' },
      byAda,
    )
    const derived = await open(changed.version)
    const built = await open(changed.version, { cacheDir: path.join(folder, 'other') })
    const whole = { from: 0, count: 60 }
    expect(await derived.page(whole)).toEqual(await built.page(whole))
    expect(await derived.facets()).toEqual(await built.facets())
    expect(await derived.page({ ...whole, order: '-width' })).toEqual(await built.page({ ...whole, order: '-width' }))
    expect([await derived.count("'wet' in tags"), await derived.count("excluded = 'wet'")]).toEqual([4, 2])
  })

  it('takes over what did not change, and makes anew what cannot be taken over', async () => {
    const version = await many(60, (i) => ({ width: i }))
    await open(version)
    const session = await openTableSession({ file: path.join(folder, 'parts', (await files('parts'))[0]!) })
    await session.run('UPDATE images SET height = 77')
    session.close()
    const change = async (where: string): Promise<Catalog> => {
      const { version: changed } = await changeImages(store, version, { where }, { action: 'exclude' }, byAda)
      return open(changed)
    }
    expect(await (await change('width < 3')).count('height = 77')).toBe(60)
    expect(await (await change('width < 50')).count('height = 77')).toBe(0)
  })

  it('may be filled by two processes with the same catalog at once', async () => {
    const version = await many(30, (i) => ({ width: i }))
    vi.resetModules() // As another process: it knows nothing of what is made here.
    const other = (await import('#core/catalog')) as { readonly openCatalog: typeof openCatalog }
    const catalogs = await Promise.all([open(version), other.openCatalog(store, version, { cacheDir: folder })])
    opened.push(catalogs[1])
    expect(await Promise.all(catalogs.map((catalog) => catalog.count('width >= 10')))).toEqual([20, 20])
    expect(await files('parts')).toHaveLength(1)
    expect(await readdir(path.join(folder, '.building'))).toEqual([])
  })

  it('may lose any file at any time', async () => {
    const version = await many(3, () => ({}))
    const reading = await open(version)
    await dropCatalogs(folder, 'parts')
    expect(await reading.count('true')).toBe(3)
    expect(await (await open(version)).count('true')).toBe(3)
  })

  it('makes a damaged file again', async () => {
    const version = await many(3, () => ({}))
    await (await open(version)).close()
    opened.pop()
    const file = path.join(folder, 'parts', (await files('parts'))[0]!)
    await truncate(file, 5_000)
    expect(await (await open(version)).count('true')).toBe(3)
    await writeFile(file, 'no database')
    expect(await (await open(version)).count('true')).toBe(3)
  })

  it('holds no more than it may: what was opened longest ago goes first', async () => {
    const versions = []
    for (const dataset of ['a', 'b', 'c']) versions.push(await madeVersion(store, dataset, { one: {} }))
    const [a, b, c] = versions as [DatasetVersion, DatasetVersion, DatasetVersion]
    await open(a)
    await open(b)
    const old = new Date(Date.now() - 60_000)
    await utimes(path.join(folder, 'b', (await files('b'))[0]!), old, old)
    const { size } = await stat(path.join(folder, 'a', (await files('a'))[0]!))
    await open(c, { maxBytes: 2.5 * size })
    expect([await files('a'), await files('b'), await files('c')].map(({ length }) => length)).toEqual([1, 0, 1])
  })

  it('keeps nothing of a build that was given up, and the next one succeeds', async () => {
    const version = await many(3, () => ({}))
    const signal = AbortSignal.abort(new Error('enough'))
    await expect(openCatalog(store, version, { cacheDir: folder, signal })).rejects.toThrow('enough')
    expect(await files('parts')).toEqual([])
    expect(await readdir(path.join(folder, '.building'))).toEqual([])
    expect(await (await open(version)).count()).toBe(3)
  })

  it('removes what a build left behind a day ago', async () => {
    const version = await many(3, () => ({}))
    await open(version)
    const left = await mkdtemp(path.join(folder, '.building', 'catalog-'))
    const old = new Date(Date.now() - 25 * 3_600_000)
    await utimes(left, old, old)
    await open(await madeVersion(store, 'others', { one: {} }))
    expect(await readdir(path.join(folder, '.building'))).not.toContain(path.basename(left))
  })
})
