/** The pages of a dataset in a real browser. Needs `dist/web` (`node infra/build.mjs --only web`). */

import { readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { commitChange, openVersion, resolveVersion, tagVersion, type ImageLabel } from '#core/datasets'
import { embedImages } from '#core/embedding'
import { installationRoot } from '#core/execution'
import { silentLogger } from '#core/log'
import { indexNeighbours } from '#core/neighbours'
import { datasetCatalogOf } from '../../apps/api/adapters/dataset-catalog.ts'
import { datasetsOf } from '../../apps/api/adapters/datasets.ts'
import { keepCatalogs } from '../../apps/api/adapters/kept-catalogs.ts'
import { buildServer, type Api } from '../../apps/api/server.ts'
import { hasBrowser, openBrowser } from '../support/browser.ts'
import { fakeWorld, type FakeWorld } from '../support/fake-ports.ts'
import { pngImage } from '../support/images.ts'
import { stepContext } from '../core/imports/support.ts'
import { importedScenes } from '../core/streaming/support.ts'
import { serveManyImages, type Asked } from '../support/many-images.ts'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
/** Set to keep pictures of every page at three widths, light and dark. */
const screenshots = process.env['GYRE_SCREENSHOTS']

const MILLION = 1_000_000
const NAME = 'pressed-parts'
const VERSION = '5'.repeat(64)

let browser: Awaited<ReturnType<typeof openBrowser>>
let world: FakeWorld
let api: Api
let url: string
let folder: string
let page: Page
let complaints: string[]

async function serve(next: FakeWorld): Promise<void> {
  world = next
  api = await buildServer(world, {
    log: silentLogger(),
    webDir: path.join(installationRoot(), 'dist/web'),
    uploadsDir: folder,
    hosts: [],
    version: '0.1.0',
    temporalUi: null,
    limits: { pollMs: 20, loginsPerMinute: 1_000 },
  })
  url = await api.listen({ port: 0, host: '127.0.0.1' })
}

async function enter(person: string, address: string): Promise<void> {
  await browser.context.clearCookies()
  world.identity.codes.add(`code-${person}`)
  await page.goto(`${url}/login?code=code-${person}`)
  await page.goto(url + address)
}

const shots = () => page.locator('.shot')
const grid = () => page.getByRole('listbox', { name: 'Images' })
/** What the address says. */
const search = () => new URL(page.url()).searchParams

describe.skipIf(!hasBrowser)('a dataset in the browser', () => {
  beforeAll(async () => {
    browser = await openBrowser()
  })
  afterAll(() => browser.close())

  beforeEach(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'gyre-web-'))
    await serve(await fakeWorld())
    page = await browser.context.newPage()
    page.setDefaultTimeout(15_000)
    complaints = []
    page.on('pageerror', (error) => complaints.push(error.message))
    page.on('console', (message) => {
      if (message.text().includes('Content Security Policy')) complaints.push(message.text())
    })
  })
  afterEach(async () => {
    await page.close()
    await api.close()
    await rm(folder, { recursive: true, force: true })
  })

  describe('a grid over a million images', () => {
    let asked: readonly Asked[]
    const open = async (rest = '', person = 'ada') => {
      asked = await serveManyImages(page, { dataset: NAME, version: VERSION, images: MILLION })
      await enter(person, `/datasets/${NAME}${rest}`)
      await page.getByRole('textbox', { name: 'Query' }).waitFor()
    }

    test('holds what is seen and little more, at the top, in the middle and at the end', async () => {
      await open()
      await page.getByText('1,000,000 of 1,000,000 images').waitFor()
      for (const share of [0, 0.5, 1]) {
        await grid().evaluate((element, at) => {
          element.scrollTop = at * element.scrollHeight
        }, share)
        await expect.poll(() => shots().last().getAttribute('aria-label')).toMatch(/part-\d+\.jpg/)
        expect(await shots().count()).toBeLessThan(200)
        expect(await page.locator('*').count()).toBeLessThan(2_500)
      }
      await expect.poll(() => shots().last().getAttribute('aria-posinset')).toBe(String(MILLION))
      const rows = asked.filter((one) => one.url.pathname.endsWith('/rows'))
      expect(rows.every((one) => Number(one.url.searchParams.get('count')) <= 200)).toBe(true)
      expect(rows.length).toBeLessThan(20)
    })

    test('the address holds place, query, order and image: the same link shows the same', async () => {
      await open('?at=305000&order=-blur&where=width+%3C+100&is.label=dent&is.label=pit&in.blur=0.1..0.3')
      await page.getByText('Class: dent or pit').waitFor()
      await page.getByText('Blur: 0.1–0.3').waitFor()
      const condition = "(width < 100) and label in ('dent', 'pit') and blur >= 0.1 and blur < 0.3"
      const rows = asked.filter((one) => one.url.pathname.endsWith('/rows')).map((one) => one.url.searchParams)
      expect(new Set(rows.map((one) => one.get('where')))).toEqual(new Set([condition]))
      expect(new Set(rows.map((one) => one.get('order')))).toEqual(new Set(['-blur']))
      await expect.poll(() => firstSeen()).toBe(await lineStart(305_000))
      await grid().press('PageDown')
      await grid().press('PageDown')
      await expect.poll(() => Number(search().get('at'))).toBeGreaterThan(305_000)
      const place = await firstSeen()
      await page.reload()
      await shots().first().waitFor()
      await expect.poll(() => firstSeen()).toBe(place)
      await grid().press('Enter')
      await page.getByRole('dialog').getByText('Judged by').waitFor()
      expect(search().get('image')).toMatch(/^[0-9a-f]{64}$/)
      const link = page.url()
      await page.goto(`${url}/`)
      await page.goto(link)
      await page.getByRole('dialog').getByText('Judged by').waitFor()
    })

    test('by keyboard alone: a query is typed, images are marked, and what follows is told before it is done', async () => {
      await open()
      await page.keyboard.press('/')
      await page.keyboard.type("label = 'dent'")
      await page.keyboard.press('Enter')
      await page.getByText('500,000 of 1,000,000 images').waitFor()
      await grid().focus()
      for (const key of ['ArrowRight', 'x', 'ArrowRight', 'Shift+ArrowRight']) await page.keyboard.press(key)
      await expect.poll(() => page.locator('.shot[aria-selected="true"]').count()).toBe(3)
      await page.getByRole('button', { name: 'Leave out…' }).press('Enter')
      const dialog = page.getByRole('dialog')
      await dialog.getByText('3 images will be left out of training').waitFor()
      await page.keyboard.type('seen twice')
      await page.keyboard.press('Enter')
      await page.getByText('3 images left out: version eeeeeeeeee.').waitFor()
      await page.getByRole('link', { name: 'See what changed' }).waitFor()
      const change = asked.find((one) => one.url.pathname.endsWith('/changes'))!
      expect(change.body).toMatchObject({ version: VERSION, action: 'exclude', reason: 'seen twice' })
      expect((change.body as { digests: unknown[] }).digests).toHaveLength(3)
    })

    test('all images of a query are acted on by the query, not one by one', async () => {
      await open('?is.label=dent')
      await grid().press('Control+a')
      await page.getByText('500,000 images').first().waitFor()
      await page.getByRole('button', { name: 'Tag…' }).click()
      await page.getByRole('textbox', { name: 'Tag' }).fill('second look')
      await page.getByRole('textbox', { name: 'Why' }).fill('as agreed')
      await page.getByRole('button', { name: 'Tag 500,000 images' }).click()
      await page.getByText('3 images tagged').waitFor()
      expect(asked.find((one) => one.url.pathname.endsWith('/changes'))!.body).toEqual({
        version: VERSION,
        where: "label in ('dent')",
        action: 'tag',
        tag: 'second look',
        reason: 'as agreed',
      })
    })

    test('a query that cannot be read says where, and keeps what was typed', async () => {
      await open('?where=sharpness+%3E+1')
      const field = page.getByRole('textbox', { name: 'Query' })
      await page.getByRole('alert').getByText('there is no column "sharpness"').waitFor()
      expect(await field.inputValue()).toBe('sharpness > 1')
      expect(await field.getAttribute('aria-invalid')).toBe('true')
    })

    test('a facet narrows the query, Shift widens a range, and a saved view replaces both', async () => {
      await open()
      await page.getByRole('button', { name: /^scratch/ }).click()
      await page.getByRole('button', { name: 'Blur 0.3–0.35: ' }).click()
      await page.getByRole('button', { name: 'Blur 0.45–0.5: ' }).click({ modifiers: ['Shift'] })
      await page.getByText('Blur: 0.3–0.5').waitFor()
      expect(search().get('is.label')).toBe('scratch')
      await page.getByText('Views (1)').click()
      await page.getByRole('button', { name: /^blurry-scratches/ }).click()
      await expect.poll(() => search().toString()).toBe('where=label+%3D+%27scratch%27+and+blur+%3E+0.4')
    })

    test('who may only look is offered no change', async () => {
      await open('', 'vic')
      await shots().first().waitFor()
      await grid().press('x')
      await page.getByText('Your role looks at images and changes none.').waitFor()
    })
  })

  describe('a map of a million images', () => {
    test('what is in a lasso is shown and acted on, and its link draws it again', async () => {
      const asked = await serveManyImages(page, { dataset: NAME, version: VERSION, images: MILLION })
      await enter('ada', `/datasets/${NAME}/map`)
      const map = page.getByRole('application', { name: 'Map of 1,000,000 images.' })
      await map.locator('.map-name').getByText('dent').first().waitFor()
      await map.focus()
      // From the keyboard: nearer, to the side, and all that is seen.
      for (const key of ['+', '+', '+', '+', 'ArrowRight', 'ArrowDown']) await page.keyboard.press(key)
      await expect.poll(() => search().get('view')).toMatch(/^-?[\d.]+,-?[\d.]+,[\d.]+$/)
      await page.goto(`${url}/datasets/${NAME}/map?view=2.5,0.4,3000`)
      await page.getByRole('button', { name: 'Select what is seen' }).click()
      const heading = page.getByRole('heading', { name: 'in the lasso' })
      await heading.waitFor()
      const told = await heading.innerText()
      await page.reload()
      await heading.waitFor()
      expect(await heading.innerText()).toBe(told)
      await page.getByRole('button', { name: 'Leave out…' }).click()
      await page.getByRole('textbox', { name: 'Why' }).fill('another part')
      await page.keyboard.press('Enter')
      await page.getByText('3 images left out: version').waitFor()
      const change = asked.find((one) => one.url.pathname.endsWith('/changes'))!.body as { digests: string[] }
      expect(told).toBe(`${change.digests.length.toLocaleString('en')} images in the lasso`)
      await heading.waitFor({ state: 'detached' })
      expect(complaints).toEqual([])
    })

    test('a hand draws a lasso; near enough, points show as images', async () => {
      await serveManyImages(page, { dataset: NAME, version: VERSION, images: MILLION })
      await enter('ada', `/datasets/${NAME}/map`)
      const map = page.locator('.map-box')
      await map.locator('.map-name').getByText('dent').first().waitFor()
      await page.getByRole('button', { name: 'Draw a lasso' }).click()
      const { x, y, width, height } = (await map.boundingBox())!
      await page.mouse.move(x + 4, y + 4)
      await page.mouse.down()
      for (const [right, down] of [
        [1, 0],
        [1, 1],
        [0, 1],
        [0, 0],
      ] as const)
        await page.mouse.move(x + 4 + right * (width - 8), y + 4 + down * (height - 8), { steps: 4 })
      await page.mouse.up()
      await page.getByRole('heading', { name: '1,000,000 images in the lasso' }).waitFor()
      await page.getByText('At most 100,000 images are acted on at once').waitFor()
      await page.goto(`${url}/datasets/${NAME}/map?view=2.5,0.4,60000`)
      await page.locator('.map-picture').first().waitFor()
      expect(await page.locator('.map-picture').count()).toBeLessThanOrEqual(60)
    })

    test('a version without an embedding says how it gets a map, and starts the run', async () => {
      await enter('ada', '/datasets/surfaces/map')
      await page.getByText('There is no map of this version yet.').waitFor()
      await page.getByText('gyre pipeline run dataset-map --param dataset=surfaces').waitFor()
      await page.getByRole('button', { name: 'Make the map' }).click()
      await page.getByRole('status').getByText('makes it').waitFor()
      expect(world.engine.asked).toEqual(['start dataset-map by ada'])
    })
  })

  describe('versions', () => {
    test('any two are marked and compared, down to the images of one pair of classes', async () => {
      const asked = await serveManyImages(page, { dataset: NAME, version: VERSION, images: MILLION })
      await enter('ada', `/datasets/${NAME}/versions`)
      await page.getByRole('radio', { name: 'Compare from 3333333333' }).check()
      await page.getByRole('button', { name: 'Compare the two that are marked' }).click()
      await page.getByRole('button', { name: '1,558 relabelled' }).click()
      await page
        .getByRole('list', { name: 'From which class to which' })
        .getByRole('button', { name: /scratch/ })
        .click()
      await page.getByRole('button', { name: 'Next 120' }).click()
      await expect.poll(() => search().get('after')).toMatch(/^[0-9a-f]{64}$/)
      const last = asked.filter((one) => one.url.pathname.endsWith('/diff/rows')).at(-1)!.url.searchParams
      expect(Object.fromEntries(last)).toMatchObject({
        from: '3'.repeat(64),
        to: VERSION,
        kind: 'relabelled',
        label: 'crack',
        limit: '120',
      })
      await expect.poll(() => page.locator('.tile-list li').count()).toBe(120)
    })

    test('conflicts of a merge are decided by three keys, each with its image', async () => {
      const asked = await serveManyImages(page, { dataset: NAME, version: VERSION, images: MILLION })
      await enter('ada', `/datasets/${NAME}/merge?theirs=night-shift`)
      await page.getByRole('button', { name: 'Merge', exact: true }).click()
      await page.getByRole('heading', { name: '3 conflicts' }).waitFor()
      expect(await page.locator('.conflicts img').count()).toBe(3)
      for (const key of ['1', '2', '3']) await page.keyboard.press(key)
      await page.getByText('all decided').waitFor()
      await page.getByRole('button', { name: 'Merge with 3 decisions' }).click()
      await page.waitForURL(/diff\?/)
      const { decisions } = asked.filter((one) => one.url.pathname.endsWith('/merge')).at(-1)!.body as {
        decisions: { field: string; take: string }[]
      }
      expect(decisions.map(({ field, take }) => [field, take])).toEqual([
        ['label', 'ours'],
        ['tags', 'theirs'],
        ['excluded', 'clear'],
      ])
    })

    test('a finding of a health check is acted on by its own condition', async () => {
      const asked = await serveManyImages(page, { dataset: NAME, version: VERSION, images: MILLION })
      await enter('ada', `/datasets/${NAME}/health`)
      const finding = page.getByRole('article', { name: '38 images are blurry' })
      await finding.getByRole('button', { name: 'Leave out…' }).click()
      await page.getByRole('textbox', { name: 'Why' }).fill('nothing can be seen')
      await page.keyboard.press('Enter')
      await page.getByText('3 images left out: version').waitFor()
      expect(asked.find((one) => one.url.pathname.endsWith('/changes'))!.body).toEqual({
        version: VERSION,
        where: 'blur > 0.92',
        action: 'exclude',
        reason: 'nothing can be seen',
      })
    })
  })

  describe('versions of a store', () => {
    test('are looked at, narrowed, acted on, compared by look and put on a map, all by the same API as the commands', async () => {
      await api.close()
      const fakes = await fakeWorld()
      const { store } = fakes
      const version = await importedScenes(store, folder)
      const ctx = stepContext({ store, scratchDir: folder })
      const embeddings = await embedImages({ version, model: 'fitted', dims: 64, seed: 7 }, ctx)
      await indexNeighbours({ embeddings }, ctx)
      const catalogs = keepCatalogs(store, { cacheDir: path.join(folder, 'catalogs') })
      await serve({ ...fakes, datasets: datasetsOf(store, catalogs), catalog: datasetCatalogOf(store, catalogs) })

      await enter('ada', '/datasets/things')
      await page.getByText('66 of 66 images').waitFor()
      await page.getByRole('button', { name: /^kind-1/ }).click()
      await page.getByText('20 of 66 images').waitFor()
      await page.getByRole('textbox', { name: 'Query' }).fill('brightness > 2')
      await page.keyboard.press('Enter')
      await page.getByText('No image fits this query.').waitFor()
      await page.getByRole('textbox', { name: 'Query' }).fill('sharpness > 2')
      await page.keyboard.press('Enter')
      await page.getByRole('alert').getByText('sharpness').waitFor()
      await page.getByRole('textbox', { name: 'Query' }).fill('')
      await page.keyboard.press('Enter')
      await page.getByText('20 of 66 images').waitFor()
      await grid().press('Control+a')
      await page.getByRole('button', { name: 'Leave out…' }).click()
      await page.getByRole('textbox', { name: 'Why' }).fill('another line')
      await page.keyboard.press('Enter')
      await page.getByText('20 images left out: version').waitFor()
      await page.getByText('20 left out', { exact: true }).waitFor()
      const changed = await resolveVersion(store, 'things@latest')
      expect(changed.version).not.toBe(version.version)

      await shots().first().click()
      const dialog = page.getByRole('dialog')
      await dialog.getByText('Left out: another line').waitFor()
      await dialog.getByRole('link', { name: 'all of them' }).click()
      await expect.poll(() => page.locator('.similar-found .tile-list li').count()).toBe(60)
      const image = { name: 'new.png', mimeType: 'image/png', buffer: Buffer.from(await pngImage(17)) }
      await page.locator('input[type=file]').setInputFiles([image])
      await page.locator('.tile-foot').getByText('100.0 %').first().waitFor()

      await page.getByRole('link', { name: 'Map' }).click()
      await page.locator('.legend').waitFor()
      await page.getByRole('button', { name: 'Show all' }).click()
      await page.getByRole('button', { name: 'Select what is seen' }).click()
      await page.getByRole('heading', { name: /^6\d images in the lasso/ }).waitFor()
      await page.getByRole('button', { name: 'Tag…' }).waitFor()
      expect(complaints).toEqual([])
    }, 180_000)

    test('of two lines that label an image differently the page asks, and the merge is what was decided', async () => {
      await api.close()
      const fakes = await fakeWorld()
      const { store } = fakes
      const base = await importedScenes(store, folder)
      const { dataset } = base
      const [first, second, third] = await (await openVersion(store, base)).labels()
      const judged = (row: ImageLabel, label: string): ImageLabel => ({
        ...row,
        label,
        origin: 'human',
        humanSeen: true,
      })
      const day = [judged(first!, 'scratch'), judged(second!, 'dent')]
      const night = [judged(first!, 'crack'), judged(third!, 'pit')]
      await tagVersion(store, base, 'night-shift', { by: 'bea', note: 'begun' })
      await commitChange(store, base, { labels: day }, { by: 'ada', note: 'the day shift' })
      await commitChange(store, base, { labels: night }, { by: 'bea', note: 'the night shift', ref: 'night-shift' })
      const catalogs = keepCatalogs(store, { cacheDir: path.join(folder, 'catalogs') })
      await serve({ ...fakes, datasets: datasetsOf(store, catalogs), catalog: datasetCatalogOf(store, catalogs) })

      await enter('ada', `/datasets/${dataset}/versions`)
      await page.locator('.history').getByText('the day shift').waitFor()
      await page.locator('.history').getByText('2 relabelled').waitFor()
      await page.getByRole('link', { name: 'merge into latest' }).click()
      await page.getByRole('button', { name: 'Merge', exact: true }).click()
      await page.getByRole('heading', { name: '1 conflict' }).waitFor()
      await page.getByRole('button', { name: 'theirs crack, by a person' }).click()
      await page.getByRole('button', { name: 'Merge with 1 decision' }).click()
      await page.waitForURL(/diff\?/)
      await page.getByText(/^Merged: version/).waitFor()
      await page.getByRole('button', { name: '2 relabelled' }).waitFor()
      const merged = await (await openVersion(store, await resolveVersion(store, dataset))).labels()
      expect(merged.slice(0, 3).map(({ label }) => label)).toEqual(['crack', 'dent', 'pit'])
      expect(complaints).toEqual([])
    }, 180_000)
  })

  const everyPage: readonly (readonly [address: string, shows: string])[] = [
    ['', '.shot'],
    ['?is.label=dent&order=-blur&size=192', '.shot'],
    [`?image=${'7'.repeat(64)}`, '.detail'],
    [`/similar?to=${'7'.repeat(64)}`, '.tile-list'],
    ['/similar', '.empty'],
    ['/map', '.legend'],
    ['/map?lasso=2,-1,3.6,-1.2,3.8,1,2.4,1.4', '.tile-list'],
    ['/versions', '.history'],
    [`/diff?from=${'4'.repeat(64)}&kind=relabelled`, '.tile-list'],
    ['/merge?theirs=night-shift', '.merge-form'],
    ['/health', '.finding'],
    ['/lineage', '.flow li'],
  ]
  test.each(everyPage)(
    '%s has no serious accessibility violation, fits every width and obeys its own policy',
    async (address, shows) => {
      await serveManyImages(page, { dataset: NAME, version: VERSION, images: MILLION })
      await enter('ada', `/datasets/${NAME}${address}`)
      await page.locator(shows).first().waitFor()
      for (const scheme of ['light', 'dark'] as const) {
        await page.emulateMedia({ colorScheme: scheme })
        for (const width of [1440, 1024, 400]) {
          await page.setViewportSize({ width, height: width === 400 ? 820 : 900 })
          await settle()
          const overflow = await page.evaluate('document.documentElement.scrollWidth - window.innerWidth')
          expect(overflow, `${address} overflows at ${width}`).toBeLessThanOrEqual(0)
          if (screenshots)
            await picture(`dataset${address.replaceAll(/\W+/g, '_').slice(0, 30)}-${width}-${scheme}.png`)
        }
        await page.setViewportSize({ width: 1440, height: 900 })
        await settle()
        expect(await violations(), scheme).toEqual([])
      }
      await page.emulateMedia({ colorScheme: 'light' })
      expect(complaints).toEqual([])
    },
  )
})

/** The first image that is seen whole, counted from 0. */
function firstSeen(): Promise<number> {
  return shots().evaluateAll((all) => {
    const top = all[0]!.closest('.grid-scroll')!.getBoundingClientRect().top
    const seen = all.find((shot) => shot.getBoundingClientRect().top >= top - 1)
    return Number(seen?.getAttribute('aria-posinset')) - 1
  })
}

/** Where the line that holds a row begins. */
async function lineStart(row: number): Promise<number> {
  const tops = await shots().evaluateAll((all) => all.map((shot) => shot.getBoundingClientRect().top))
  const columns = tops.filter((top) => top === tops[0]).length
  return Math.floor(row / columns) * columns
}

async function picture(name: string): Promise<void> {
  await mkdir(screenshots!, { recursive: true })
  await page.screenshot({ path: path.join(screenshots!, name) })
}

/** Two frames: layout and observers are done. */
async function settle(): Promise<void> {
  await page.evaluate('new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(null))))')
}

async function violations(): Promise<string[]> {
  await page.evaluate(axe)
  return page.evaluate(async () => {
    const { violations } = await (
      globalThis as unknown as {
        axe: {
          run(options: object): Promise<{
            violations: { id: string; impact: string; nodes: { html: string; failureSummary: string }[] }[]
          }>
        }
      }
    ).axe.run({ resultTypes: ['violations'] })
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html}: ${failureSummary}`))
  })
}
