/** The pages of a dataset in a real browser. Needs `dist/web` (`node infra/build.mjs --only web`). */

import { readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { installationRoot } from '#core/execution'
import { silentLogger } from '#core/log'
import { buildServer, type Api } from '../../apps/api/server.ts'
import { hasBrowser, openBrowser } from '../support/browser.ts'
import { fakeWorld, type FakeWorld } from '../support/fake-ports.ts'
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
let uploadsDir: string
let page: Page
let complaints: string[]

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
    uploadsDir = await mkdtemp(path.join(tmpdir(), 'gyre-web-'))
    world = await fakeWorld()
    api = await buildServer(world, {
      log: silentLogger(),
      webDir: path.join(installationRoot(), 'dist/web'),
      uploadsDir,
      hosts: [],
      version: '0.1.0',
      temporalUi: null,
      limits: { pollMs: 20, loginsPerMinute: 1_000 },
    })
    url = await api.listen({ port: 0, host: '127.0.0.1' })
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
    await rm(uploadsDir, { recursive: true, force: true })
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
      const condition = "(width < 100) and label in ('dent', 'pit') and blur >= 0.1 and blur <= 0.3"
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

  const everyPage: readonly (readonly [address: string, shows: string])[] = [
    ['', '.shot'],
    ['?is.label=dent&order=-blur&size=192', '.shot'],
    [`?image=${'7'.repeat(64)}`, '.detail'],
    [`/similar?to=${'7'.repeat(64)}`, '.tile-list'],
    ['/similar', '.empty'],
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
async function firstSeen(): Promise<number> {
  return page.evaluate(() => {
    const top = document.querySelector('.grid-scroll')!.getBoundingClientRect().top
    const seen = [...document.querySelectorAll('.shot')].find((shot) => shot.getBoundingClientRect().top >= top - 1)
    return Number(seen?.getAttribute('aria-posinset')) - 1
  })
}

/** Where the line that holds a row begins. */
async function lineStart(row: number): Promise<number> {
  const columns = await page.evaluate(() => {
    const tops = [...document.querySelectorAll('.shot')].map((shot) => shot.getBoundingClientRect().top)
    return tops.filter((top) => top === tops[0]).length
  })
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
