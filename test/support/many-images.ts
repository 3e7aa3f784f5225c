/**
 * A dataset of any number of images that exist by arithmetic alone, answered to a browser before the server is asked: what a
 * page shows of a million rows can be tried without making them. Row k is always the same image.
 */

import { createHash } from 'node:crypto'
import type { Page, Route } from 'playwright-core'

export const MANY_CLASSES = ['scratch', 'dent', 'pit', 'stain', 'crack', 'clean'] as const

export interface ManyImages {
  readonly dataset: string
  readonly version: string
  readonly images: number
}

/** What the browser asked for, oldest first. */
export interface Asked {
  readonly method: string
  readonly url: URL
  readonly body: unknown
}

const digestOf = (row: number): string => createHash('sha256').update(`image ${row}`).digest('hex')

/** `where` of the answered rows only halves them: conditions are the business of core/catalog. */
function rowOf(row: number) {
  const share = (salt: number) => (((row + 1) * salt) % 997) / 997
  const origin = (['human', 'inferred', 'predicted', null] as const)[row % 4]!
  return {
    row,
    digest: digestOf(row),
    width: 96,
    height: 96,
    sizeBytes: 1_000 + (row % 700),
    format: row % 3 ? 'jpeg' : 'png',
    source: `line-${row % 12}/part-${row}.jpg`,
    group: null,
    split: row % 5 ? 'train' : 'test',
    label: origin === null ? null : MANY_CLASSES[Math.floor(share(31) * 6)]!,
    tags: row % 50 ? null : ['reviewed'],
    attributes: row % 9 ? null : '{"batch":"B7"}',
    origin,
    humanSeen: origin === 'human',
    excluded: row % 41 ? null : 'too dark',
    boxes: row % 30 ? 0 : 2,
    boxClasses: row % 30 ? null : ['scratch'],
    brightness: share(17),
    contrast: share(7) / 2,
    blur: share(13),
    entropy: share(11) * 8,
    colour: share(5),
    camera: row % 7 ? 'ACME X1' : null,
    takenAt: null,
  }
}

const histogram = (column: string, to: number, images: number) => ({
  column,
  kind: 'histogram',
  more: false,
  buckets: Array.from({ length: 20 }, (_, at) => ({
    from: Number(((to / 20) * at).toPrecision(6)),
    to: Number(((to / 20) * (at + 1)).toPrecision(6)),
    images: Math.round((images / 20) * (0.2 + 1.6 * Math.exp(-((at - 7) ** 2) / 18))),
  })),
})

const values = (column: string, shares: readonly (readonly [unknown, number])[], images: number, more = false) => ({
  column,
  kind: 'values',
  more,
  buckets: shares.map(([value, share]) => ({ value, images: Math.round(images * share) })),
})

function facetsOf(images: number) {
  return [
    values('label', [...MANY_CLASSES.map((name, at) => [name, 0.2 - at * 0.03] as const), [null, 0.2]], images),
    values(
      'split',
      [
        ['train', 0.8],
        ['test', 0.2],
      ],
      images,
    ),
    values(
      'origin',
      [
        ['human', 0.25],
        ['inferred', 0.25],
        ['predicted', 0.25],
        [null, 0.25],
      ],
      images,
    ),
    values(
      'excluded',
      [
        [null, 0.976],
        ['too dark', 0.024],
      ],
      images,
    ),
    histogram('blur', 1, images),
    histogram('brightness', 1, images),
    histogram('entropy', 8, images),
    values(
      'camera',
      [
        ['ACME X1', 0.857],
        [null, 0.143],
      ],
      images,
      true,
    ),
  ]
}

/** Where row k stands on the map: one cloud a class, by arithmetic. */
function mapOf(images: number): Buffer {
  const bytes = new ArrayBuffer(4 + images * 8)
  new DataView(bytes).setUint32(0, images, true)
  const xy = new Float32Array(bytes, 4)
  for (let row = 0; row < images; row++) {
    const [angle, reach] = [row * 2.399963, Math.sqrt(((row * 7919) % 1009) / 1009)]
    const cloud = classOf(row)
    const [x, y] = [Math.cos(cloud * 1.05) * (2 + (cloud % 2)), Math.sin(cloud * 1.05) * 2.4]
    xy[row * 2] = x + Math.cos(angle) * reach * (0.6 + cloud * 0.12)
    xy[row * 2 + 1] = y + Math.sin(angle) * reach * 0.9 + Math.cos(angle * 3) * 0.12
  }
  return Buffer.from(bytes)
}

const classOf = (row: number): number => Math.floor(((((row + 1) * 31) % 997) / 997) * 6)

function codesOf(images: number): Buffer {
  let values = JSON.stringify([null, ...MANY_CLASSES])
  values = values.padEnd(Math.ceil(values.length / 4) * 4)
  const head = Buffer.alloc(4)
  head.writeUInt32LE(values.length)
  const codes = Buffer.alloc(images)
  for (let row = 0; row < images; row++) codes[row] = row % 4 === 3 ? 0 : 1 + classOf(row)
  return Buffer.concat([head, Buffer.from(values), codes])
}

/** One colour an image, drawn as a picture of a few hundred bytes. */
function drawing(digest: string): string {
  const hue = Number.parseInt(digest.slice(0, 3), 16) % 360
  const [x, y] = [Number.parseInt(digest.slice(3, 5), 16) / 4 + 16, Number.parseInt(digest.slice(5, 7), 16) / 4 + 16]
  return `<svg xmlns="http://www.w3.org/2000/svg" width="96" height="96"><rect width="96" height="96" fill="hsl(${hue} 18% 62%)"/><circle cx="${x}" cy="${y}" r="12" fill="hsl(${hue} 30% 36%)"/></svg>`
}

const UNKNOWN_COLUMN = {
  code: 'INVALID_INPUT',
  detail: 'there is no column "sharpness"; did you mean blur, brightness?',
}

/** @returns everything that was asked of the dataset. */
export async function serveManyImages(page: Page, many: ManyImages): Promise<readonly Asked[]> {
  const asked: Asked[] = []
  const answer = (route: Route, body: unknown, status = 200) => route.fulfill({ status, json: body })
  const note = (route: Route) => {
    const request = route.request()
    const url = new URL(request.url())
    asked.push({ method: request.method(), url, body: request.postDataJSON() as unknown })
    return url
  }
  const base = `**/api/datasets/${many.dataset}`
  await page.route(`**/api/thumbnails/${many.dataset}/*`, (route) =>
    route.fulfill({ contentType: 'image/svg+xml', body: drawing(route.request().url().split('/').at(-1)!) }),
  )
  await page.route(`**/api/images/${many.dataset}/*`, (route) =>
    route.fulfill({ contentType: 'image/svg+xml', body: drawing(route.request().url().split('/').at(-1)!) }),
  )
  await page.route(`${base}?*`, (route) => {
    const ref = new URL(route.request().url()).searchParams.get('ref')!
    return answer(route, detailOf({ ...many, ...(ref === 'latest' ? {} : { version: ref }) }))
  })
  await page.route(`${base}/rows?*`, (route) => {
    const { searchParams } = note(route)
    const where = searchParams.get('where') ?? ''
    if (where.includes('sharpness')) return answer(route, UNKNOWN_COLUMN, 422)
    const one = /^digest = '([0-9a-f]{64})'$/.exec(where)
    const total = one ? 1 : where ? Math.floor(many.images / 2) : many.images
    const [from, count] = [Number(searchParams.get('from')), Number(searchParams.get('count'))]
    const rows = Array.from({ length: Math.max(0, Math.min(count, total - from)) }, (_, at) => rowOf(from + at))
    return answer(route, {
      version: many.version,
      total,
      rows: one ? rows.map((row) => ({ ...row, digest: one[1] })) : rows,
    })
  })
  await page.route(`${base}/facets*`, (route) => {
    const where = note(route).searchParams.get('where')
    if (where?.includes('sharpness')) return answer(route, UNKNOWN_COLUMN, 422)
    const total = where ? Math.floor(many.images / 2) : many.images
    return answer(route, { total, facets: facetsOf(total) })
  })
  await page.route(`${base}/views*`, (route) =>
    answer(route, [{ name: 'blurry-scratches', where: "label = 'scratch' and blur > 0.4", note: 'for Bea' }]),
  )
  await page.route(`${base}/similar?*`, (route) => {
    const count = Number(note(route).searchParams.get('count'))
    return answer(route, {
      rows: Array.from({ length: count }, (_, at) => ({ digest: digestOf(at * 7), similarity: 0.991 - at * 0.004 })),
    })
  })
  await page.route(`${base}/map?*`, (route) => route.fulfill({ body: mapOf(many.images) }))
  await page.route(`${base}/codes?*`, (route) => route.fulfill({ body: codesOf(many.images) }))
  await page.route(`${base}/digests`, (route) => {
    note(route)
    const { rows } = route.request().postDataJSON() as { rows: number[] }
    return answer(route, { digests: rows.map(digestOf) })
  })
  await page.route(`${base}/log?*`, (route) => answer(route, logOf(many)))
  await page.route(`${base}/refs`, (route) => answer(route, refsOf(many)))
  await page.route(`${base}/diff?*`, (route) => answer(route, DIFF))
  await page.route(`${base}/diff/rows?*`, (route) => {
    const { searchParams } = note(route)
    const start = searchParams.get('after') ? 1_000 : 0
    const rows = Array.from({ length: Number(searchParams.get('limit')) }, (_, at) => differenceOf(start + at))
    return answer(route, { rows })
  })
  await page.route(`${base}/merge`, (route) => {
    note(route)
    const { decisions } = route.request().postDataJSON() as { decisions: unknown[] }
    if (decisions.length === CONFLICTS.length) return answer(route, { version: 'e'.repeat(64) })
    return answer(
      route,
      {
        code: 'DATASET_MERGE_CONFLICTS',
        detail: '3 fields',
        details: { conflicts: CONFLICTS, total: CONFLICTS.length },
      },
      409,
    )
  })
  await page.route(`${base}/lineage?*`, (route) => answer(route, lineageOf(many)))
  await page.route(`${base}/health?*`, (route) => answer(route, healthOf(many)))
  await page.route(`${base}/changes`, (route) => {
    note(route)
    return answer(route, { version: 'e'.repeat(64), images: 3 })
  })
  return asked
}

const DIFF = {
  added: 0,
  removed: 12,
  resplit: 3,
  excluded: 412,
  included: 0,
  judged: 0,
  tagged: 87,
  described: 0,
  regrouped: 0,
  relabelled: [
    { from: 'scratch', to: 'crack', images: 1_204 },
    { from: null, to: 'clean', images: 310 },
    { from: 'pit', to: 'dent', images: 44 },
  ],
  boxes: 0,
  schema: {
    from: { task: 'single', classes: ['scratch', 'pit'], boxes: null, attributes: {} },
    to: { task: 'single', classes: ['scratch', 'pit', 'crack'], boxes: null, attributes: {} },
  },
}

function differenceOf(row: number) {
  const said = (label: string | null) => ({ split: 'train', label, tags: null, excluded: null })
  return { digest: digestOf(row), kinds: ['relabelled'], was: said('scratch'), is: said(row % 3 ? 'crack' : 'clean') }
}

function logOf({ version, images }: ManyImages) {
  const nothing = Object.fromEntries(
    ['added', 'removed', 'resplit', 'excluded', 'included', 'judged', 'tagged', 'described', 'regrouped', 'boxes'].map(
      (kind) => [kind, 0],
    ),
  )
  const changes = (some: object) => ({ ...nothing, relabelled: [], schema: null, ...some })
  const entry = (at: number, over: { readonly note: string } & Readonly<Record<string, unknown>>) => ({
    version: String(at).repeat(64),
    images,
    by: 'ada',
    at: `2026-03-0${at}T10:00:00.000Z`,
    cause: null,
    parents: [String(at - 1).repeat(64)],
    refs: [],
    ...over,
  })
  return [
    entry(5, {
      version,
      note: 'what the night shift labelled, with the cracks of line 3',
      refs: ['latest'],
      parents: ['4'.repeat(64), '2'.repeat(64)],
      changes: changes({ relabelled: DIFF.relabelled, excluded: 412 }),
    }),
    entry(4, { note: 'too dark to see anything', by: 'bea', changes: changes({ excluded: 24_391 }) }),
    entry(3, { note: 'import of line 3', refs: ['before-audit'], changes: changes({ added: 200_000 }) }),
    entry(2, { note: 'labels of the image classifier', by: 'image-classifier-1', changes: changes({ judged: 9_000 }) }),
    entry(1, { note: 'import of lines 1 and 2', parents: [], changes: changes({ added: 800_000 }) }),
  ]
}

function refsOf({ version, images }: ManyImages) {
  const ref = (name: string, at: string, note: string) => ({
    name,
    version: at,
    images,
    note,
    at: '2026-03-05T10:00:00.000Z',
    by: 'ada',
  })
  return [
    ref('before-audit', '3'.repeat(64), 'what the auditors saw'),
    ref('latest', version, ''),
    ref('night-shift', '9'.repeat(64), 'labelled by hand'),
  ]
}

function lineageOf(many: ManyImages) {
  const run = (by: string) => (by.startsWith('image') ? by : null)
  const versions = logOf(many).map(({ version, images, parents, at, by, note }) => ({
    ...{ version, images, parents, at, by, note, run: run(by) },
  }))
  const model = { name: 'surface-defects', version: 12 }
  return {
    dataset: many.dataset,
    version: many.version,
    imports: [2, 4].map((at) => ({
      ...{ ...versions[at]!, run: `import-dataset-${at}` },
      source: at === 2 ? 's3://plant-west/line-3/' : '/data/lines-1-and-2.tar',
    })),
    versions,
    models: [
      { ...model, trained: true, dataset: '2'.repeat(64) },
      { ...model, version: 11, trained: false, dataset: '1'.repeat(64) },
    ],
    endpoints: [{ name: 'surface-defects', revision: 3, model, share: 90 }],
  }
}

const label = (name: string | null, origin: string | null) => ({ label: name, origin, humanSeen: origin === 'human' })
const CONFLICTS = [
  {
    digest: digestOf(7),
    field: 'label',
    base: label(null, null),
    ours: label('scratch', 'human'),
    theirs: label('crack', 'predicted'),
  },
  { digest: digestOf(9), field: 'tags', base: null, ours: ['night'], theirs: ['night', 'second look'] },
  { digest: digestOf(11), field: 'excluded', base: null, ours: 'too dark', theirs: 'seen twice' },
]

function healthOf({ dataset, version, images }: ManyImages) {
  const some = (count: number, salt: number) => Array.from({ length: count }, (_, at) => digestOf(at * salt))
  const base = { where: null, list: null, details: null, digests: [] as string[] }
  return {
    schema: 1,
    dataset,
    version,
    against: null,
    images,
    excluded: 24_391,
    labelled: 750_000,
    labelsChecked: true,
    notes: ['Every image is 96 × 96, so that no size is odd.'],
    findings: [
      {
        ...base,
        kind: 'leaking-metadata',
        title: 'The camera tells the class of 9,812 images',
        images: 9_812,
        share: 0.0098,
        severity: 'bad',
        where: "camera = 'ACME X1' and label = 'crack'",
        advice: 'A model can learn the camera instead of the crack; take cracks with other cameras as well.',
        details: {
          columns: ['Camera', 'Class', 'Images', 'Expected'],
          rows: [
            ['ACME X1', 'crack', 9_812, 1_204.5],
            ['none', 'crack', 0, 172],
          ],
        },
      },
      {
        ...base,
        kind: 'mislabelled',
        title: '1,204 labels look wrong',
        images: 1_204,
        share: 0.0012,
        severity: 'attention',
        digests: some(48, 5),
        advice: 'Models that never saw them agree on another class; let a person look.',
      },
      {
        ...base,
        kind: 'blurry',
        title: '38 images are blurry',
        images: 38,
        share: 0.000038,
        severity: 'note',
        where: 'blur > 0.92',
        digests: some(9, 3),
        advice: 'Look at them; leave them out where nothing can be seen.',
      },
    ],
  }
}

function detailOf({ dataset, version, images }: ManyImages) {
  return {
    name: dataset,
    version,
    images,
    labelled: Math.floor(images * 0.75),
    humanSeen: Math.floor(images / 4),
    excluded: Math.ceil(images / 41),
    splits: { train: images - Math.ceil(images / 5), test: Math.ceil(images / 5) },
    classes: MANY_CLASSES.map((name) => ({ class: name, images: Math.floor(images / 8), humanSeen: 100 })),
    history: [{ version, at: '2026-03-02T10:03:00.000Z', images }],
  }
}
