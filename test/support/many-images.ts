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
  await page.route(`${base}/changes`, (route) => {
    note(route)
    return answer(route, { version: 'e'.repeat(64), images: 3 })
  })
  return asked
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
