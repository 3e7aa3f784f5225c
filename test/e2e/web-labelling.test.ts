/** The labelling page and what its lead sees, in a real browser over a played session. Needs `dist/web`. */

import { readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { PlatformError } from '#core/errors'
import { installationRoot } from '#core/execution'
import type { Screen } from '#core/labelling'
import { silentLogger } from '#core/log'
import { buildServer, type Api } from '../../apps/api/server.ts'
import { hasBrowser, openBrowser } from '../support/browser.ts'
import { serveManyImages } from '../support/many-images.ts'
import { CLASSES, fakeWorld, RUN, SESSION, type FakeWorld } from '../support/fake-ports.ts'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
/** Set to keep pictures of every screen at three widths, light and dark. */
const screenshots = process.env['GYRE_SCREENSHOTS']

let browser: Awaited<ReturnType<typeof openBrowser>>
let world: FakeWorld
let api: Api
let url: string
let uploadsDir: string
let page: Page
let complaints: string[]

async function enter(person: string, address = `/labelling/${SESSION}`): Promise<void> {
  await browser.context.clearCookies()
  world.identity.codes.add(`code-${person}`)
  await page.goto(`${url}/login?code=code-${person}`)
  await page.evaluate('localStorage.clear()')
  await page.goto(url + address)
}

const screenNumber = () => page.locator('.tiles').getAttribute('data-screen')
const shown = async (id: string) => page.locator(`.tiles[data-screen="${id}"] .tile`).first().waitFor()
const answers = () => world.session.answers.map(({ activeMs: _, ...answer }) => answer)
const marked = () => page.locator('[data-misfit="true"]')
const tile = (at: number) => page.locator(`.tile[data-at="${at}"]`)

/** Types the row and the column of an image, as its grid names them. */
async function markByAddress(at: number): Promise<void> {
  const address = /^Image (\w)(\d)/.exec((await tile(at).getAttribute('aria-label'))!)!
  await page.keyboard.press(address[1]!)
  await page.keyboard.press(address[2]!)
}

/** Puts screens of a test before those of the fake session. */
function first(...screens: (Partial<Screen> & Pick<Screen, 'kind'>)[]): void {
  const known = world.session.screens[0]!.images
  world.session.screens.unshift(
    ...screens.map((screen, at): Screen => ({
      id: `00000a${at}`,
      proposed: null,
      images: known.slice(0, 12),
      secondGuess: known.slice(0, 12).map(() => null),
      ...screen,
    })),
  )
}

const aPair = (): Partial<Screen> & Pick<Screen, 'kind'> => {
  const images = world.session.screens[1]!.images.slice(0, 20)
  return {
    kind: 'pair',
    images,
    secondGuess: images.map((_, at) => (at < 14 ? 'pit' : 'dent')),
    pair: ['dent', 'pit'],
    proposals: images.map((_, at) => (at < 14 ? 'dent' : 'pit')),
  }
}

describe.skipIf(!hasBrowser)('labelling in the browser', () => {
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
    expect(complaints).toEqual([])
  })

  describe('labelling by keyboard', () => {
    test('a whole session: one key a screen, misfits by row and column, until the run goes on', async () => {
      await enter('ann', `/labelling/${SESSION}`)
      for (const [index, name] of CLASSES.entries()) {
        const id = String(index + 1).padStart(6, '0')
        await shown(id)
        // 24 images: the last two do not belong. One is marked by its address, the other by the focus next to it.
        await markByAddress(22)
        await page.keyboard.press('g')
        await page.keyboard.press('ArrowRight')
        await page.keyboard.press(`Shift+Digit${((index + 1) % CLASSES.length) + 1}`)
        await page.keyboard.press(`Digit${CLASSES.indexOf(name) + 1}`)
      }
      await shown('000007')
      await page.keyboard.press('x')
      await page.keyboard.press('ArrowRight')
      await page.keyboard.press('b')
      await page.keyboard.press('ArrowRight')
      await page.keyboard.press('u')
      await page.keyboard.press('Enter')
      await shown('000008')
      await page.keyboard.press('Digit5')
      await page.getByText('Labelling is done').waitFor()
      expect(await page.getByRole('link', { name: 'Watch the run' }).getAttribute('href')).toBe(`/runs/${RUN}`)

      const screens = world.session.screens
      expect(answers().slice(0, 6)).toEqual(
        CLASSES.map((name, index) => ({
          screen: screens[index]!.id,
          class: name,
          annotator: 'ann',
          misfits: screens[index]!.images.slice(22).map((image) => ({
            image,
            class: CLASSES[(index + 1) % CLASSES.length],
          })),
        })),
      )
      const [first, second, third] = screens[6]!.images
      expect(answers()[6]).toMatchObject({
        class: 'dent',
        misfits: [
          { image: first, class: null },
          { image: second, class: null, why: 'broken' },
          { image: third, class: null, why: 'unsure' },
        ],
      })
      expect(answers()[7]).toMatchObject({ class: 'crack', misfits: [] })
      for (const { activeMs } of world.session.answers) expect(activeMs).toBeGreaterThan(0)
    })

    test('undo takes back marks, then answers across screens, each as it was left', async () => {
      await enter('ann', `/labelling/${SESSION}`)
      await shown('000001')
      await page.keyboard.press('x')
      await page.keyboard.press('Digit1')
      await shown('000002')
      await page.keyboard.press('Digit2')
      await shown('000003')
      await page.keyboard.press('x')
      await page.keyboard.press('Control+z')
      expect(await page.locator('[data-misfit="true"]').count()).toBe(0)
      expect(await screenNumber()).toBe('000003')
      await page.keyboard.press('Backspace')
      await shown('000002')
      await page.keyboard.press('Backspace')
      await shown('000001')
      expect(await page.locator('[data-misfit="true"]').count()).toBe(1)
      expect(world.session.answers).toEqual([])
      await page.keyboard.press('Digit3')
      await shown('000002')
      await expect.poll(() => world.session.answers.length).toBe(1)
      expect(world.session.answers[0]).toMatchObject({ screen: '000001', class: 'pit' })
    })

    test('an answer waits in the browser while the host is away, and is stored when it is back', async () => {
      world.session.trouble = new PlatformError('SESSION_HOST_UNAVAILABLE', 'the session moves; wait a moment')
      await enter('ann', `/labelling/${SESSION}`)
      await shown('000001')
      await page.keyboard.press('Digit1')
      await shown('000002')
      await page.getByRole('alert').getByText('the session moves').waitFor()
      expect(await page.getByText('storing 1').isVisible()).toBe(true)
      world.session.trouble = null
      await page.getByText('all stored').waitFor()
      expect(world.session.answers.map(({ screen }) => screen)).toEqual(['000001'])
    })

    test('without a proposed class Enter answers nothing, and says what to do', async () => {
      await enter('ann', `/labelling/${SESSION}`)
      await shown('000001')
      await page.keyboard.press('Enter')
      await page.getByText('Choose a class by its key.').first().waitFor()
      expect(await screenNumber()).toBe('000001')
    })

    test('the mouse marks misfits and labels as well', async () => {
      await enter('ann', `/labelling/${SESSION}`)
      await shown('000001')
      await page.locator('.tile').nth(5).click()
      expect(await page.locator('.tile').nth(5).getAttribute('aria-pressed')).toBe('true')
      await page.getByRole('button', { name: 'Name it' }).click()
      await page.getByRole('combobox').fill('sta')
      await page.keyboard.press('Enter')
      await page.getByRole('button', { name: 'scratch' }).click()
      await expect.poll(() => world.session.answers.length).toBe(1)
      expect(world.session.answers[0]!.misfits).toEqual([
        { image: world.session.screens[0]!.images[5], class: 'stain' },
      ])
    })

    test('a person who may only look is told so', async () => {
      await enter('vic', `/labelling/${SESSION}`)
      await page.getByText('The role viewer does not label.').waitFor()
    })
  })

  describe('more than one image at a time', () => {
    test('Shift and arrows select, a class names what is selected, Escape lets go', async () => {
      await enter('ann')
      await shown('000001')
      await page.keyboard.press('ArrowRight')
      await page.keyboard.press('Shift+ArrowRight')
      await page.keyboard.press('Shift+ArrowRight')
      expect(await page.locator('[data-selected="true"]').count()).toBe(3)
      await page.getByText('3 selected').waitFor()
      await page.keyboard.press('Shift+Digit2')
      expect(await page.locator('[data-selected="true"]').count()).toBe(0)
      await page.keyboard.press('Control+a')
      expect(await page.locator('[data-selected="true"]').count()).toBe(24)
      await page.keyboard.press('Escape')
      expect(await page.locator('[data-selected="true"]').count()).toBe(0)
      await page.keyboard.press('Digit1')
      await expect.poll(() => answers().length).toBe(1)
      const { images } = world.session.screens[0]!
      expect(answers()[0]!.misfits).toEqual(images.slice(1, 4).map((image) => ({ image, class: CLASSES[1] })))
    })

    test('Shift and a click select all between, a band what it touches', async () => {
      await enter('ann')
      await shown('000001')
      await tile(2).focus()
      await tile(6).click({ modifiers: ['Shift'] })
      await expect.poll(() => page.locator('[data-selected="true"]').count()).toBe(5)
      await page.keyboard.press('x')
      expect(await marked().count()).toBe(5)
      await page.keyboard.press('Control+z')
      const [from, to] = [(await tile(0).boundingBox())!, (await tile(1).boundingBox())!]
      await page.mouse.move(from.x + 20, from.y + 20)
      await page.mouse.down()
      await page.mouse.move(to.x + 20, to.y + 40, { steps: 4 })
      expect(await page.locator('.band').count()).toBe(1)
      await page.mouse.up()
      expect(await page.locator('.band').count()).toBe(0)
      expect(await page.locator('[data-selected="true"]').count()).toBe(2)
      expect(await marked().count()).toBe(0)
    })
  })

  describe('other kinds of screens', () => {
    test('a pair: a mark moves an image to the other side, and one key takes the rest', async () => {
      first(aPair())
      await enter('ann')
      await shown('00000a0')
      await page.getByRole('heading', { name: 'dent', exact: true }).waitFor()
      await markByAddress(3)
      await tile(15).click()
      expect(await marked().allTextContents()).toEqual(['pit', 'dent'])
      await page.keyboard.press('Enter')
      await shown('000001')
      await expect.poll(() => answers().length).toBe(1)
      const { images } = world.session.screens[0]!
      expect(answers()[0]).toMatchObject({
        class: 'dent',
        misfits: [
          { image: images[3], class: 'pit' },
          { image: images[15], class: 'dent' },
        ],
      })
    })

    test('a growing page says what follows; F takes it only when nothing is marked', async () => {
      first({ kind: 'verify', proposed: 'dent', vouches: 1_184 })
      await enter('ann')
      await shown('00000a0')
      await page.getByText('If so, 1,184 look-alikes are, too.').waitFor()
      await page.keyboard.press('x')
      expect(await page.getByText('look-alikes').count()).toBe(0)
      await page.keyboard.press('f')
      await page.getByText('Some are marked: Enter takes the others.').first().waitFor()
      await page.keyboard.press('x')
      await page.keyboard.press('f')
      await shown('000001')
      await expect.poll(() => answers()).toMatchObject([{ class: 'dent', misfits: [] }])
    })

    test('one class of several: the choice is yes or no, and a mark is the other one', async () => {
      first({ kind: 'verify', proposed: 'no', asks: 'crack' })
      await enter('ann')
      await shown('00000a0')
      await page.getByText('Do none of these show crack?').waitFor()
      expect(await page.locator('.chip').allTextContents()).toEqual(['1yes', '2noproposed'])
      await page.keyboard.press('x')
      expect(await marked().textContent()).toBe('yes')
      await page.keyboard.press('Enter')
      await expect.poll(() => answers()).toMatchObject([{ class: 'no', misfits: [{ class: 'yes' }] }])
    })

    test('an image alone is judged blind: no proposal, no reasons', async () => {
      world.session.screens.splice(0, 7)
      await enter('ann')
      await shown('000008')
      expect(await page.getByText('proposed').count()).toBe(0)
      expect(await page.getByRole('button', { name: 'Why?' }).count()).toBe(0)
      await page.keyboard.press('w')
      expect(await page.getByRole('dialog').count()).toBe(0)
      expect((await tile(0).boundingBox())!.width).toBeGreaterThan(400)
      await page.keyboard.press('u')
      await expect.poll(() => answers()).toMatchObject([{ class: null, misfits: [{ class: null, why: 'unsure' }] }])
    })
  })

  describe('what helps', () => {
    test('redo gives an answer again, also by its other key', async () => {
      await enter('ann')
      await shown('000001')
      await page.keyboard.press('Digit1')
      await shown('000002')
      await page.keyboard.press('Control+z')
      await shown('000001')
      await page.keyboard.press('Control+Shift+z')
      await shown('000002')
      await page.keyboard.press('x')
      await page.keyboard.press('Control+z')
      expect(await marked().count()).toBe(0)
      await page.keyboard.press('Control+y')
      expect(await marked().count()).toBe(1)
      expect(answers().map(({ class: name }) => name)).toEqual(['scratch'])
    })

    test('a new class is named by typing it', async () => {
      await enter('ann')
      await shown('000001')
      await page.keyboard.press('n')
      await page.getByRole('combobox').fill('burr')
      await page.getByRole('option', { name: 'burr a new class' }).click()
      expect(await marked().textContent()).toBe('new: burr')
      await page.keyboard.press('Digit1')
      await expect.poll(() => answers()[0]?.misfits).toMatchObject([{ class: null, why: 'new', note: 'burr' }])
    })

    test('reasons, instructions and a comment are a key away, and lead back to where one was', async () => {
      world.session.instructions = {
        text: '# Scratches\n\nLonger than **3 mm**.\n\n- not on the rim',
        examples: { dent: world.session.screens[1]!.images.slice(0, 3) },
        by: 'ada',
        at: '2026-03-02T10:00:00.000Z',
      }
      await enter('ann')
      await shown('000001')
      await page.keyboard.press('ArrowRight')
      await page.keyboard.press('w')
      await page.getByRole('dialog').getByText('93.0 %').waitFor()
      expect(await page.locator('.why-neighbours img').count()).toBe(8)
      await page.keyboard.press('Escape')
      await page.keyboard.press('i')
      await page.getByRole('dialog').getByText('3 mm').waitFor()
      expect(await page.getByRole('img', { name: 'Example of dent' }).count()).toBe(3)
      await page.keyboard.press('Escape')
      await page.keyboard.press('c')
      await page.getByRole('textbox', { name: 'Comment' }).fill('odd light')
      await page.keyboard.press('Control+Enter')
      await page.getByText('Comment, written').waitFor()
      await page.keyboard.press('Digit1')
      await expect.poll(() => answers()[0]).toMatchObject({ class: 'scratch', comment: 'odd light' })
    })

    test('Z enlarges while it is held, a double click shows the image as it was imported', async () => {
      await enter('ann')
      await shown('000001')
      await page.keyboard.down('z')
      await page.locator('.zoom img').waitFor()
      await page.keyboard.up('z')
      await expect.poll(() => page.locator('.zoom').count()).toBe(0)
      await tile(4).dblclick()
      await page.getByRole('dialog').locator('img.original').waitFor()
      await page.keyboard.press('Escape')
      expect(await marked().count()).toBe(0)
    })

    test('keys are changed where they are listed, and are the same in the next browser', async () => {
      await enter('ann')
      await shown('000001')
      await page.keyboard.press('?')
      await page.getByRole('button', { name: /^Key of misfit: X/ }).click()
      await page.keyboard.press('v')
      await page.getByRole('button', { name: /^Key of stain: 4/ }).click()
      await page.keyboard.press('1')
      await page.getByText('stain: 1').waitFor()
      await page.keyboard.press('Escape')
      await expect.poll(() => world.settings.read('ann')).toEqual({ keys: { misfit: 'v' }, classKeys: { stain: '1' } })
      await page.reload()
      await shown('000001')
      await page.keyboard.press('x')
      expect(await marked().count()).toBe(0)
      await page.keyboard.press('v')
      expect(await marked().count()).toBe(1)
      expect(await page.locator('.chip').first().textContent()).toBe('4scratch')
      await page.keyboard.press('Digit1')
      await expect.poll(() => answers()).toMatchObject([{ class: 'stain' }])
      await page.goto(`${url}/settings`)
      await page.getByRole('button', { name: /^Key of misfit: V/ }).waitFor()
    })

    test('a reload keeps the marks of the screen in hand and sends what was not stored', async () => {
      await enter('ann')
      await shown('000001')
      await browser.context.setOffline(true)
      await page.keyboard.press('Digit1')
      await shown('000002')
      await page.keyboard.press('x')
      await page.getByText('storing 1').waitFor()
      expect(answers()).toEqual([])
      await browser.context.setOffline(false)
      await expect.poll(() => answers().length).toBe(1)
      world.session.trouble = new PlatformError('SESSION_HOST_UNAVAILABLE', 'the session moves; wait a moment')
      await page.keyboard.press('Digit2')
      await shown('000003')
      await page.keyboard.press('ArrowRight')
      await page.keyboard.press('x')
      await page.getByText('storing 1').waitFor()
      page.once('dialog', (dialog) => void dialog.accept())
      await page.reload()
      world.session.trouble = null
      await shown('000003')
      expect(await marked().count()).toBe(1)
      await expect.poll(() => answers().map(({ screen }) => screen)).toEqual(['000001', '000002'])
    })

    test('classes that a lead adds or removes are there with the next answer', async () => {
      await enter('ann')
      await shown('000001')
      world.session.classes = ['scratch', 'burr']
      await page.keyboard.press('Digit1')
      await expect.poll(() => page.locator('.chip').allTextContents()).toEqual(['1scratch', '2burr'])
    })
  })

  describe('by touch', () => {
    /** A finger on the screen: what a tablet sends. */
    async function finger() {
      const protocol = await browser.context.newCDPSession(page)
      await protocol.send('Emulation.setTouchEmulationEnabled', { enabled: true })
      const touch = async (type: 'touchStart' | 'touchEnd', at?: number) => {
        if (at !== undefined) await tile(at).waitFor()
        const box = at === undefined ? null : (await tile(at).boundingBox())!
        const touchPoints = box ? [{ x: box.x + box.width / 2, y: box.y + box.height / 2 }] : []
        await protocol.send('Input.dispatchTouchEvent', { type, touchPoints })
      }
      return { down: (at: number) => touch('touchStart', at), up: () => touch('touchEnd') }
    }

    test('a tap marks, a long press enlarges, several are selected one after the other', async () => {
      await page.setViewportSize({ width: 820, height: 1180 })
      await enter('ann')
      await shown('000001')
      const { down, up } = await finger()
      const tap = async (at: number) => {
        await down(at)
        await up()
      }
      await tap(5)
      await expect.poll(() => marked().count()).toBe(1)
      await down(7)
      await page.locator('.zoom img').waitFor()
      await up()
      await expect.poll(() => page.locator('.zoom').count()).toBe(0)
      expect(await marked().count()).toBe(1)
      await page.getByRole('button', { name: 'Select several' }).click()
      for (const at of [10, 11, 12]) await tap(at)
      await expect.poll(() => page.locator('[data-selected="true"]').count()).toBe(3)
      await page.getByRole('button', { name: 'dent' }).click()
      await expect.poll(() => marked().count()).toBe(4)
      await page.getByRole('button', { name: 'scratch' }).click()
      await expect.poll(() => answers()[0]?.misfits.length).toBe(4)
    })
  })

  describe('the lead', () => {
    const lead = `/labelling/${SESSION}/lead`
    const stats = {
      screens: 12,
      images: 480,
      misfits: 24,
      activeMs: 190_000,
      secondsPerImage: 0.4,
      controls: { images: 5, secondsPerImage: 2 },
      gold: { shown: 12, missed: 1 },
      agreement: { images: 50, equal: 49 },
      lastAt: '2026-03-02T10:00:00.000Z',
    }
    const vote = { screen: '000001', why: null, proposed: 'dent', at: '2026-03-02T10:00:00.000Z' }

    test('sees who did how much how fast, and asks for a review of it', async () => {
      world.session.stats = [
        { ...stats, annotator: 'ann' },
        { ...stats, annotator: 'bob', controls: { images: 0, secondsPerImage: null } },
      ]
      await enter('ada', lead)
      const row = page.getByRole('row', { name: /^ann/ })
      await row.getByText('0.40 s').waitFor()
      expect(await row.textContent()).toMatch(/480.*alone 2\.00 s, ×5\.0.*92 % of 12.*98 % of 50/)
      await page.getByRole('button', { name: 'Review 96 labels of bob' }).click()
      await page.getByText('They come as the next screens').waitFor()
    })

    test('sees where people disagree, and has it looked at again', async () => {
      const [image] = world.session.screens[0]!.images
      const votes = [
        { ...vote, annotator: 'ann', class: 'dent' },
        { ...vote, annotator: 'bob', class: null, why: 'broken' as const },
      ]
      world.session.disputed = [{ image: image!, votes, settled: { class: 'dent', chance: 0.91 } }]
      await enter('ada', lead)
      const disputed = page.getByRole('list', { name: 'Images that people see differently' })
      await disputed.getByText('holds: dent (91 %)').waitFor()
      expect(await disputed.textContent()).toContain('bobbroken')
      await page.getByRole('button', { name: 'Show it again' }).click()
      await expect.poll(() => world.session.requests).toEqual([[[image], null, 'ada', true]])
    })

    test('adds, merges and removes classes', async () => {
      await enter('ada', lead)
      await page.getByLabel('New class').fill('burr')
      await page.getByRole('button', { name: 'Add it' }).click()
      await page.getByRole('button', { name: 'Remove the class burr' }).click()
      await page.getByLabel('Images labelled burr').selectOption('dent')
      await page.getByRole('button', { name: 'Merge burr into dent' }).click()
      await expect.poll(() => world.session.classes).toEqual([...CLASSES])
    })

    test('writes instructions, takes an example away, and all read them', async () => {
      const images = world.session.screens[1]!.images.slice(0, 2)
      world.session.instructions = { text: '', examples: { dent: images }, by: 'ada', at: '2026-03-02T10:00:00.000Z' }
      await enter('ada', lead)
      await page.getByRole('button', { name: 'Write them' }).click()
      await page.getByLabel('In words').fill('Rims do **not** count.')
      await page.getByRole('button', { name: 'Take example 1 of dent away' }).click()
      await page.getByRole('button', { name: 'Save the instructions' }).click()
      await page.locator('strong').getByText('not', { exact: true }).waitFor()
      expect(world.session.instructions).toMatchObject({
        text: 'Rims do **not** count.',
        examples: { dent: images.slice(1) },
      })
    })

    test('writes a comment for everybody', async () => {
      await enter('ada', lead)
      await page.getByRole('textbox', { name: 'Comment' }).fill('Mind the rims.')
      await page.getByRole('button', { name: 'Write it' }).click()
      await page.getByRole('list', { name: 'Comments' }).getByText('Mind the rims.').waitFor()
    })

    test('draws round images on the map, and they are shown next under the class that was said', async () => {
      await serveManyImages(page, { dataset: 'surfaces', version: 'a'.repeat(64), images: 2_000 })
      await enter('ada', `/labelling/${SESSION}/map`)
      await page.getByRole('application').waitFor()
      const box = (await page.getByRole('application').boundingBox())!
      // The cloud on the right.
      const [x, y] = [box.x + box.width * 0.8, box.y + box.height / 2]
      await page.mouse.move(x - 40, y - 40)
      await page.mouse.down()
      for (const [right, down] of [
        [60, -40],
        [60, 50],
        [-40, 50],
        [-40, -30],
      ] as const)
        await page.mouse.move(x + right, y + down, { steps: 3 })
      await page.mouse.up()
      await page.getByText(/images in the lasso/).waitFor()
      await page.getByLabel('They show').selectOption('dent')
      await page.getByRole('button', { name: 'Show them next' }).click()
      await page.getByText('They come as the next screens.').waitFor()
      const [images, proposed, by, review] = world.session.requests[0]!
      expect(images.length).toBeGreaterThan(1)
      expect([proposed, by, review]).toEqual(['dent', 'ada', false])
    })

    test('an annotator sees the page without what only a lead may change', async () => {
      await enter('ann', lead)
      await page.getByRole('heading', { name: 'People' }).waitFor()
      expect(await page.getByRole('button', { name: 'Add it' }).count()).toBe(0)
      expect(await page.getByRole('button', { name: 'Write them' }).count()).toBe(0)
    })

    test.each(['lead', 'map'])(
      'the look of the %s page: no serious accessibility violation, and it fits',
      async (place) => {
        world.session.stats = [
          { ...stats, annotator: 'ann' },
          { ...stats, annotator: 'a-name-of-forty-characters-by-all-means' },
        ]
        const votes = [
          { ...vote, annotator: 'ann', class: 'dent' },
          { ...vote, annotator: 'bob', class: 'pit' },
        ]
        const { images } = world.session.screens[1]!
        world.session.disputed = images.map((image) => ({ image, votes, settled: null }))
        world.session.instructions = {
          text: 'Rims do **not** count.',
          examples: { dent: images.slice(0, 9) },
          by: null,
          at: null,
        }
        world.session.comments.push({
          at: stats.lastAt,
          by: 'ann',
          text: 'Odd light.',
          screen: '000012',
          image: images[0]!,
        })
        await serveManyImages(page, { dataset: 'surfaces', version: 'a'.repeat(64), images: 2_000 })
        await enter('ada', `/labelling/${SESSION}/${place}`)
        await page.getByRole('heading', { level: 1 }).waitFor()
        await page.waitForLoadState('networkidle')
        await looksRight(place)
      },
    )
  })

  const LOOKS: readonly (readonly [string, () => void, string | null])[] = [
    ['cluster', () => undefined, null],
    ['pair', () => first(aPair()), null],
    ['growing', () => first({ kind: 'verify', proposed: 'dent', vouches: 1_184 }), 'x'],
    ['single', () => void world.session.screens.splice(0, 7), null],
    ['keys', () => undefined, '?'],
    ['why', () => undefined, 'w'],
  ]
  test.each(LOOKS)('the look of %s: no serious accessibility violation, and it fits', async (name, arrange, key) => {
    arrange()
    await enter('ann')
    await page.locator('.tile').first().waitFor()
    if (key) await page.keyboard.press(key)
    await page.waitForLoadState('networkidle')
    await looksRight(name)
  })
})

async function looksRight(name: string): Promise<void> {
  for (const scheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme: scheme })
    for (const [width, height] of [
      [1440, 900],
      [820, 1180],
      [400, 820],
    ] as const) {
      await page.setViewportSize({ width, height })
      // Two frames: layout and observers are done.
      await page.evaluate('new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(null))))')
      const overflow = await page.evaluate('document.documentElement.scrollWidth - window.innerWidth')
      expect(overflow, `${name} overflows at ${width}`).toBeLessThanOrEqual(0)
      if (screenshots) {
        await mkdir(screenshots, { recursive: true })
        await page.screenshot({ path: path.join(screenshots, `${name}-${width}-${scheme}.png`), fullPage: width < 500 })
      }
    }
    await page.setViewportSize({ width: 1440, height: 900 })
    expect(await violations(), scheme).toEqual([])
  }
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
