/**
 * Whole labelling sessions on 2,000 images in a real browser over the real stack: by keyboard alone, by mouse alone while
 * the network is cut, by two people at once, and through kill −9 of server and host. What was said is what is stored.
 * Needs a build, with `dist/web`.
 */

import { readFile, mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import type { Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { readEvents, readRounds, type Answer } from '#core/labelling'
import { openFolderStore } from '#core/storage'
import { hasBrowser, openBrowser } from '../support/browser.ts'
import { BrowserAnnotator, type Given } from '../support/browser-annotator.ts'
import { LiveStack } from '../support/live-stack.ts'
import { surfaceSet, type SurfaceSet } from '../support/surface-set.ts'

const MINUTES = 60_000
const IMAGES = 2_000
const STORED = path.join('objects', 'default')

let folder: string
let set: SurfaceSet
let truth: Readonly<Record<string, string>>
let stack: LiveStack
let browsers: Awaited<ReturnType<typeof openBrowser>>[]

async function post<T>(route: string, body: unknown): Promise<T> {
  const answer = await stack.request('POST', route, body)
  if (!answer.ok) throw new Error(`POST ${route}: ${answer.status} ${await answer.text()}`)
  return (await answer.json()) as T
}

/** Starts a run on a dataset of its own and waits until its session has screens. */
async function openSession(dataset: string): Promise<{ run: string; session: string }> {
  const params = { dataset, source: set.source, classes: set.classes, targetAccuracy: 0.95, controls: 0.01 }
  const { id: run } = await post<{ id: string }>('/api/pipelines/label-images/runs', { params })
  const session = `${run}.annotate`
  const isThere = async () => (await stack.request('GET', `/api/sessions/${session}`)).ok
  await expect.poll(isThere, { timeout: 5 * MINUTES, interval: 200 }).toBe(true)
  return { run, session }
}

/** A browser of their own, logged in. */
async function pageOf(name: string): Promise<Page> {
  const browser = await openBrowser()
  browsers.push(browser)
  const { link } = await post<{ link: string }>('/api/users', { name, role: 'annotator' })
  const page = await browser.context.newPage()
  await page.goto(link)
  return page
}

async function addressOf(session: string): Promise<string> {
  const { apiUrl } = JSON.parse(await readFile(path.join(stack.state, 'stack.json'), 'utf8')) as { apiUrl: string }
  return `${apiUrl}/labelling/${session}`
}

async function sit(
  name: string,
  session: string,
  by: 'keyboard' | 'mouse',
): Promise<{ annotator: BrowserAnnotator; page: Page }> {
  const page = await pageOf(name)
  return { annotator: await BrowserAnnotator.sit(page, await addressOf(session), { by, truth }), page }
}

/** What a stored answer says of each image. */
async function storedAnswers(session: string): Promise<readonly (Given & { readonly by: string })[]> {
  const store = await openFolderStore(path.join(stack.state, STORED))
  const screens = new Map(
    (await readRounds(store, session)).flatMap(({ screens: all }) => all).map((one) => [one.id, one]),
  )
  const answers = (await readEvents(store, session)).filter((event) => event.type === 'answer')
  return answers.map(({ screen, class: whole, misfits, annotator }: Answer) => {
    const { images, proposals } = screens.get(screen)!
    const marked = new Map(misfits.map(({ image, class: name }) => [image, name]))
    const said = new Map(images.map((image, at) => [image, marked.get(image) ?? proposals?.[at] ?? whole!]))
    return { screen, said, by: annotator }
  })
}

/** The labels of the version that the run made: none that a person gave differs from the truth. */
async function expectLabelled(run: string, dataset: string): Promise<void> {
  const report = await stack.until(
    run,
    ({ status }) => ['completed', 'failed', 'cancelled'].includes(status),
    5 * MINUTES,
  )
  expect(report.status).toBe('completed')
  const rows: { digest: string; label: string | null; humanSeen: boolean }[] = []
  for (let next: string | null = ''; next !== null;) {
    const answer: Response = await stack.request(
      'GET',
      `/api/datasets/${dataset}/images?limit=500${next && `&cursor=${next}`}`,
    )
    const page = (await answer.json()) as { images: typeof rows; next: string | null }
    rows.push(...page.images)
    next = page.next
  }
  expect(rows).toHaveLength(set.images)
  const seen = rows.filter(({ humanSeen }) => humanSeen)
  expect(seen.length).toBeGreaterThan(0)
  expect(seen.filter(({ digest, label }) => label !== truth[digest])).toEqual([])
}

const byScreen = (all: readonly Given[]) =>
  Object.fromEntries(
    [...all].sort((a, b) => (a.screen < b.screen ? -1 : 1)).map(({ screen, said }) => [screen, [...said]]),
  )

describe.skipIf(!hasBrowser)('a session of 2,000 images in the browser', () => {
  beforeAll(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), 'gyre-sessions-'))
    set = await surfaceSet(folder, IMAGES)
    truth = JSON.parse(await readFile(set.oracle, 'utf8')) as typeof truth
    stack = new LiveStack(path.join(folder, 'state'))
    await stack.start()
  }, 5 * MINUTES)
  afterAll(async () => {
    await stack.stop()
    await rm(folder, { recursive: true, force: true })
  })
  beforeEach(() => {
    browsers = []
  })
  afterEach(async () => {
    for (const browser of browsers) await browser.close()
  })

  test(
    'by keyboard alone: what was said is stored, once, and labels the dataset',
    async () => {
      const { run, session } = await openSession('by-keyboard')
      const { annotator } = await sit('ann', session, 'keyboard')
      await annotator.work()
      const stored = await storedAnswers(session)
      expect(byScreen(stored)).toEqual(byScreen(annotator.given))
      expect(stored).toHaveLength(annotator.given.length)
      expect(stored.length).toBeGreaterThan(20)
      await expectLabelled(run, 'by-keyboard')
    },
    10 * MINUTES,
  )

  test(
    'by mouse alone, the network cut twice: nothing is lost, nothing stored twice',
    async () => {
      const { run, session } = await openSession('by-mouse')
      const { annotator, page } = await sit('ben', session, 'mouse')
      const cuts: Promise<void>[] = []
      /** No network until an answer could not be stored and says so. */
      const cut = async () => {
        await page.context().setOffline(true)
        const isNoticed = page.getByRole('alert').getByText('Your answers are kept here').waitFor()
        cuts.push(isNoticed.then(() => page.context().setOffline(false)))
      }
      await annotator.work({ before: (answers) => (answers === 3 || answers === 12 ? cut() : Promise.resolve()) })
      await Promise.all(cuts)
      const stored = await storedAnswers(session)
      expect(byScreen(stored)).toEqual(byScreen(annotator.given))
      expect(stored).toHaveLength(annotator.given.length)
      expect(stored.length).toBeGreaterThan(20)
      await expectLabelled(run, 'by-mouse')
    },
    10 * MINUTES,
  )

  test(
    'by two people at once: no screen is judged by both',
    async () => {
      const { run, session } = await openSession('by-two')
      const sitting = await Promise.all([sit('cat', session, 'keyboard'), sit('dan', session, 'keyboard')])
      await Promise.all(sitting.map(({ annotator }) => annotator.work()))
      const given = sitting.flatMap(({ annotator }) => annotator.given)
      const stored = await storedAnswers(session)
      expect(new Set(given.map(({ screen }) => screen)).size).toBe(given.length)
      expect(byScreen(stored)).toEqual(byScreen(given))
      for (const { annotator } of sitting) expect(annotator.given.length).toBeGreaterThan(0)
      await expectLabelled(run, 'by-two')
    },
    10 * MINUTES,
  )

  test(
    'through kill −9 of server, host and browser tab: what was given is stored once, and the session goes on',
    async () => {
      const { run, session } = await openSession('through-kills')
      const { annotator, page } = await sit('eve', session, 'keyboard')
      // A page with answers to store asks before it goes.
      page.on('dialog', (dialog) => void dialog.accept())
      const strikes: Readonly<Record<number, () => Promise<unknown>>> = {
        3: () => stack.kill('api'),
        8: () => stack.kill('worker'),
        12: () => page.reload(),
      }
      await annotator.work({ before: async (answers) => void (await strikes[answers]?.()) })
      const stored = await storedAnswers(session)
      expect(byScreen(stored)).toEqual(byScreen(annotator.given))
      expect(stored).toHaveLength(annotator.given.length)
      expect(stored.length).toBeGreaterThan(20)
      await expectLabelled(run, 'through-kills')
    },
    10 * MINUTES,
  )
})
