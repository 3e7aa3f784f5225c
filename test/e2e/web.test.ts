/** The pages in a real browser, on the real server over fakes. Needs `dist/web` (`node infra/build.mjs --only web`). */

import { readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { keepQuestion } from '#core/approvals'
import { installationRoot } from '#core/execution'
import { silentLogger } from '#core/log'
import { createRun, StepLog, type StepReport } from '#core/runs'
import { putBlob } from '#core/storage'
import { buildServer, type Api } from '../../apps/api/server.ts'
import { hasBrowser, openBrowser } from '../support/browser.ts'
import { fakeRecord, fakeStep, fakeWorld, RUN, SESSION, type FakeWorld } from '../support/fake-ports.ts'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')
/** Set to keep pictures of every page at three widths, light and dark. */
const screenshots = process.env['GYRE_SCREENSHOTS']

let browser: Awaited<ReturnType<typeof openBrowser>>
let world: FakeWorld
let api: Api
let url: string
let uploadsDir: string
let page: Page
let complaints: string[]

async function serve(next: FakeWorld): Promise<void> {
  world = next
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
}

/** Opens a page as somebody, in a browser that knew nobody. */
async function enter(person: string, address: string): Promise<void> {
  await browser.context.clearCookies()
  world.identity.codes.add(`code-${person}`)
  await page.goto(`${url}/login?code=code-${person}`)
  await page.goto(url + address)
}

describe.skipIf(!hasBrowser)('pages', () => {
  beforeAll(async () => {
    browser = await openBrowser()
  })
  afterAll(() => browser.close())

  beforeEach(async () => {
    uploadsDir = await mkdtemp(path.join(tmpdir(), 'gyre-web-'))
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
    await rm(uploadsDir, { recursive: true, force: true })
  })

  describe('runs', () => {
    const failing = () =>
      world.engine.put({
        id: RUN,
        status: 'failed',
        endedAt: '2026-03-02T10:01:00.000Z',
        steps: [
          fakeStep('import', []),
          fakeStep('embed', ['import'], {
            status: 'failed',
            reason: 'the disk that holds the store is full; free some space and resume',
            code: 'STORE_DISK_FULL',
          }),
          fakeStep('cluster', ['embed'], { status: 'skipped', origin: null, startedAt: null, endedAt: null }),
        ],
      })

    test('a run changes before the eyes of its watcher', async () => {
      const importing = (done: number) =>
        world.engine.put({
          id: RUN,
          steps: [
            fakeStep('import', [], {
              status: 'running',
              endedAt: null,
              progress: { done, total: 2_400, unit: 'images' },
            }),
          ],
        })
      importing(600)
      await enter('ada', `/runs/${RUN}`)
      await page.getByText('600 of 2,400 images').waitFor()
      importing(1_200)
      await page.getByText('1,200 of 2,400 images').waitFor()
      world.engine.put({
        id: RUN,
        status: 'completed',
        endedAt: '2026-03-02T10:09:00.000Z',
        steps: [fakeStep('import', [])],
      })
      await page.locator('.page-title').getByText('completed').waitFor()
    })

    test('a failed run shows one cause with its code, and resumes', async () => {
      failing()
      await enter('ada', `/runs/${RUN}`)
      const cause = page.getByRole('alert')
      await cause.getByText('Step "embed" failed').waitFor()
      expect(await cause.innerText()).toContain('the disk that holds the store is full')
      expect(await cause.innerText()).toContain('STORE_DISK_FULL')
      expect(await cause.count()).toBe(1)
      await page.getByRole('button', { name: 'Resume run' }).click()
      await page.locator('.page-title').getByText('running').waitFor()
      await page.getByRole('button', { name: 'Cancel run' }).click()
      await page.locator('.page-title').getByText('cancelled').waitFor()
      expect(world.engine.asked).toEqual([`resume ${RUN} by ada`, `cancel ${RUN} by ada`])
    })

    test('an approval is given with its reason', async () => {
      const waiting = { status: 'waiting', reason: 'Ship it?', endedAt: null } as const
      world.engine.put({ id: RUN, status: 'waiting', steps: [fakeStep('go', [], { step: 'approve', ...waiting })] })
      await enter('ada', `/runs/${RUN}`)
      await page.getByRole('textbox', { name: 'Why' }).fill('better on stains')
      await page.getByRole('button', { name: 'Approve' }).click()
      await expect.poll(() => world.engine.asked).toEqual([`approve ${RUN}/go by ada: better on stains`])
    })

    test('an approval asks for its form, refuses to send it half filled, and is seen on the home page and in the list', async () => {
      const given: unknown[] = []
      world.engine.answerApproval = async (run, node, answer) => void given.push([run, node, answer])
      await ask()
      await enter('ada', '/')
      await page.getByRole('link', { name: /your approval.*Ship the model/ }).waitFor()
      await page.goto(`${url}/runs`)
      await page.getByRole('cell', { name: /waiting.*Ship the model/ }).waitFor()
      await page.goto(`${url}/runs/${RUN}`)
      const question = page.getByRole('region', { name: 'Approval go' })
      await question.getByText('Asked: every owner, bea').waitFor()
      await question.getByRole('button', { name: 'Approve' }).click()
      expect(given).toEqual([])
      await question.getByLabel('Batch').fill('B7')
      await question.getByLabel('Line').selectOption('north')
      await question.getByLabel('Urgent').check()
      await question.getByRole('textbox', { name: 'Why' }).fill('better on stains')
      await question.getByRole('button', { name: 'Approve' }).click()
      const form = { batch: 'B7', limit: 0.5, line: 'north', urgent: true }
      await expect
        .poll(() => given)
        .toMatchObject([[RUN, 'go', { approved: true, by: 'ada', role: 'owner', why: 'better on stains', form }]])
    })

    test('a step opens with what it left and with what it says, line by line', async () => {
      const train = (over: Partial<StepReport>) =>
        world.engine.put({ id: RUN, steps: [fakeStep('import', []), fakeStep('train', ['import'], over)] })
      await createRun(world.store, fakeRecord(RUN, [['import'], ['train', 'import']]))
      const log = new StepLog({ store: world.store, run: RUN, node: 'train', attempt: 1, flushMs: 1 })
      log.write({ level: 'info', text: 'epoch 1: loss 0.41' })
      train({ status: 'running', endedAt: null })
      await enter('ada', `/runs/${RUN}`)
      await page.getByRole('link', { name: 'train' }).first().click()
      await page.getByRole('log', { name: 'Log of train' }).getByText('epoch 1: loss 0.41').waitFor()
      log.write({ level: 'warn', text: 'epoch 2: loss rose' })
      await page.getByText('warn epoch 2: loss rose').waitFor()
      const table = await putBlob(world.store, Buffer.from('{"file":"a.png","mm":3}\n{"file":"b.png","mm":4}\n'))
      const text = await putBlob(world.store, Buffer.from('a few words'))
      const outputs = {
        accuracy: 0.974,
        version: { kind: 'dataset-version', dataset: 'surfaces', version: 'a'.repeat(64), images: 240 },
        sizes: { kind: 'table', rows: 2, blob: table },
        html: { sha256: 'c'.repeat(64), sizeBytes: 54 },
        notes: text,
      }
      train({ outputs })
      const step = page.getByRole('region', { name: 'train' })
      await step.getByText('97.4 %').waitFor()
      await step.getByRole('cell', { name: 'b.png' }).waitFor()
      await expect.poll(() => step.locator('.thumbnails img').count()).toBe(18)
      await page.frameLocator('iframe.report').getByRole('heading', { name: 'Report' }).waitFor()
      await step.getByRole('button', { name: 'Look' }).click()
      await step.getByText('a few words').waitFor()
      expect(await step.getByRole('link', { name: 'Download' }).last().getAttribute('href')).toBe(
        `/api/blobs/${text.sha256}?name=notes`,
      )
      await page.keyboard.press('Escape')
      await step.waitFor({ state: 'detached' })
      expect(complaints).toEqual([])
    })

    test('a run tells what began it, what it is based on and what is based on it; two runs stand side by side', async () => {
      await family()
      await enter('ada', '/runs/again')
      const origin = page.locator('.lineage')
      await origin.getByText('started by fresh: 340 new images in surfaces').waitFor()
      await origin.getByRole('link', { name: RUN }).waitFor()
      await origin.getByRole('link', { name: 'compare' }).click()
      await page.getByText('train gave something else.').waitFor()
      await page.getByRole('row', { name: /train.accuracy 0.95 0.9 −0.05/ }).waitFor()
      await page.getByText('the same code and inputs gave another output').waitFor()
      await page.getByRole('link', { name: 'the other way round' }).click()
      await page.getByRole('row', { name: /train.accuracy 0.9 0.95 \+0.05/ }).waitFor()
      await page.goto(`${url}/runs/${RUN}`)
      await page.locator('.lineage').getByRole('link', { name: 'again' }).waitFor()
      await page.goto(`${url}/runs/${RUN}/compare`)
      await page.getByRole('link', { name: 'again' }).click()
      await page.waitForURL(`**/runs/${RUN}/compare/again`)
    })

    test('a re-run says first what runs and what is kept, then asks, and leads to the new run', async () => {
      await family()
      const node = { step: 'x', needs: [], decidedBy: [], expected: null }
      const asked: unknown[] = []
      world.engine.forecast = async (request) => {
        asked.push(request)
        return {
          ...{ pipeline: 'image-classifier', params: {}, against: RUN, removed: [], estimateMs: 4_200 },
          nodes: [
            { ...node, id: 'import', does: 'reuse', because: `equal to ${RUN}`, estimateMs: null },
            { ...node, id: 'train', does: 'run', because: 'it was asked for', estimateMs: 3_100 },
            { ...node, id: 'ship', does: 'open', because: 'train decides', expected: 'skip', estimateMs: 1_100 },
          ],
        }
      }
      await enter('ada', `/runs/${RUN}?step=train`)
      await page.getByRole('button', { name: 'Re-run from here' }).click()
      const dialog = page.getByRole('dialog')
      await dialog.getByText('2 steps of 3 may run, 1 result kept; about 4.2 s.').waitFor()
      await dialog.getByText('Change parameters').click()
      await dialog.getByLabel('Parameters as JSON').fill('{"epochs": 5}')
      await dialog.getByLabel('Parameters as JSON').blur()
      const request = { kind: 'rerun', run: RUN, from: ['train'] }
      await expect
        .poll(() => asked)
        .toEqual([
          { ...request, params: {} },
          { ...request, params: { epochs: 5 } },
        ])
      await settle()
      expect(await violations()).toEqual([])
      if (screenshots) await picture('rerun.png')
      await dialog.getByRole('button', { name: 'Re-run 2 steps' }).click()
      await page.waitForURL('**/runs/image-classifier-*')
      await expect.poll(() => world.engine.asked).toEqual([`rerun ${RUN} from train by ada`])
    })

    test('j, k and Enter go through a list', async () => {
      world.engine.put({ id: RUN })
      world.engine.put({ id: 'image-classifier-2' })
      await enter('ada', '/runs')
      await page.getByRole('link', { name: 'image-classifier-2' }).waitFor()
      for (const key of ['j', 'j', 'k', 'j', 'Enter']) await page.keyboard.press(key)
      await page.waitForURL('**/runs/image-classifier-2')
    })
  })

  describe('tasks', () => {
    test('a person picks a model, drops images and sees results', async () => {
      await enter('ada', '/tasks')
      const file = (name: string) => ({ name, mimeType: 'image/png', buffer: Buffer.from(world.images[0]!.bytes) })
      await page.locator('input[type=file]').setInputFiles([file('one.png'), file('two.png')])
      await page.getByRole('button', { name: 'Run surface-defects on 2 images' }).click()
      await expect.poll(() => world.engine.asked).toEqual(['start batch-task by ada'])
      const run = [...world.engine.runs.values()].find(({ pipeline }) => pipeline === 'batch-task')!
      world.batchViews.push({
        id: run.id,
        model: 'surface-defects v1',
        source: '2 images',
        status: 'completed',
        startedAt: run.startedAt,
        endedAt: '2026-03-02T10:00:09.000Z',
        images: 2,
        done: 1,
        failed: [{ path: 'two.png', reason: 'the file is truncated' }],
        reason: null,
        ready: true,
      })
      await page.goto(`${url}/tasks/${run.id}`)
      await page.getByRole('cell', { name: 'one.png' }).waitFor()
      await page.getByText('the file is truncated').waitFor()
      expect(await page.getByRole('link', { name: 'Download CSV' }).getAttribute('href')).toBe(
        `/api/batches/${run.id}/results.csv`,
      )
    })

    test('an image dropped on an endpoint is answered', async () => {
      await enter('ada', '/endpoints')
      const buffer = Buffer.from(world.images[0]!.bytes)
      await page.locator('input[type=file]').setInputFiles([{ name: 'one.png', mimeType: 'image/png', buffer }])
      await page.getByText('93.0 %').waitFor()
    })
  })

  test('an endpoint tells what ails a replica and what it waits for, also before it has traffic', async () => {
    const [endpoint] = await world.endpoints.list()
    const revision = endpoint!.revisions[0]!
    world.endpoints.list = async () => [
      {
        ...endpoint!,
        revisions: [
          { ...revision, ready: 1, trouble: 'out of memory, started again 3 times' },
          { ...revision, revision: 2, percent: 0, ready: 0, waiting: '0/3 nodes are available' },
        ],
      },
    ]
    await enter('ada', '/endpoints')
    await page.getByText('out of memory, started again 3 times').waitFor()
    await page.getByText('waits: 0/3 nodes are available').waitFor()
    await page.getByText('in trouble').waitFor()
  })

  test('a spent link explains itself', async () => {
    await browser.context.clearCookies()
    await page.goto(`${url}/login?code=nonsense`)
    await page.getByText('This link was used before').waitFor()
  })

  test('Ctrl-K leads anywhere', async () => {
    await enter('ada', '/')
    await page.getByRole('heading', { name: 'Home' }).waitFor()
    await page.keyboard.press('Control+k')
    await page.getByRole('combobox').fill('surface model')
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'surface-defects' }).waitFor()
  })

  describe.each([
    ['full', false],
    ['empty', true],
  ])('a world that is %s', (which, empty) => {
    const addresses = [
      '/',
      '/datasets',
      '/runs',
      '/models',
      '/endpoints',
      '/tasks',
      '/settings',
      '/labelling',
      ...(empty
        ? []
        : [
            '/datasets/surfaces',
            `/labelling/${SESSION}`,
            `/runs/${RUN}`,
            '/runs/again?step=train',
            `/runs/${RUN}/compare/again`,
            '/models/surface-defects',
            '/tasks/batch-1',
          ]),
    ]
    beforeEach(async () => {
      await api.close()
      await serve(await fakeWorld({ empty }))
      if (!empty) await fillWorld()
    })

    test.each(addresses)(
      '%s has no serious accessibility violation, fits every width and obeys its own policy',
      async (address) => {
        await enter('ada', address)
        await page.locator('main h1').waitFor()
        await page.waitForLoadState('networkidle')
        for (const scheme of ['light', 'dark'] as const) {
          await page.emulateMedia({ colorScheme: scheme })
          for (const width of [1440, 1024, 400]) {
            await page.setViewportSize({ width, height: width === 400 ? 820 : 900 })
            await settle()
            const overflow = await page.evaluate('document.documentElement.scrollWidth - window.innerWidth')
            expect(overflow, `${address} overflows at ${width}`).toBeLessThanOrEqual(0)
            if (screenshots) await picture(`${which}-${address.replaceAll('/', '_')}-${width}-${scheme}.png`)
          }
          await page.setViewportSize({ width: 1440, height: 900 })
          expect(await violations(), scheme).toEqual([])
        }
        await page.emulateMedia({ colorScheme: 'light' })
        expect(complaints).toEqual([])
      },
    )
  })
})

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

async function picture(name: string): Promise<void> {
  await mkdir(screenshots!, { recursive: true })
  await page.screenshot({ path: path.join(screenshots!, name), fullPage: true })
}

/** One run, and another that was begun by a trigger and is based on it. */
async function family(): Promise<void> {
  const nodes = [['import'], ['train', 'import']] as const
  const html = { sha256: 'c'.repeat(64), sizeBytes: 54 }
  const put = (id: string, accuracy: number) =>
    world.engine.put({
      id,
      status: 'completed',
      endedAt: '2026-03-02T10:04:21.000Z',
      steps: [
        fakeStep('import', [], { origin: 'hit', reason: 'equal input and code as in an earlier run' }),
        fakeStep('train', ['import'], { outputs: { accuracy, html, perClass: [{ class: 'dent', recall: accuracy }] } }),
      ],
    })
  await createRun(world.store, fakeRecord(RUN, nodes))
  const cause = { kind: 'new-images', text: '340 new images in surfaces', trigger: 'fresh' } as const
  await createRun(
    world.store,
    fakeRecord('again', nodes, { cause, basedOn: { kind: 'rerun', run: RUN, forced: ['train'] } }),
  )
  put(RUN, 0.9)
  put('again', 0.95)
  const log = new StepLog({ store: world.store, run: 'again', node: 'train', attempt: 1 })
  for (const epoch of [1, 2, 3]) log.write({ level: epoch === 2 ? 'warn' : 'info', text: `epoch ${epoch}` })
  await log.close()
}

/** Asks people for an approval with a form. */
async function ask(): Promise<void> {
  const waiting = { status: 'waiting', reason: 'Ship it?', endedAt: null } as const
  world.engine.put({ id: RUN, status: 'waiting', steps: [fakeStep('go', [], { step: 'approve', ...waiting })] })
  await keepQuestion(world.questions, {
    run: RUN,
    node: 'go',
    pipeline: 'image-classifier',
    askedAt: '2026-03-02T10:00:04.000Z',
    waitMs: 86_400_000,
    terms: {
      subject: { accuracy: 0.97 },
      question: 'Ship the model to both lines of the press shop?',
      approvals: 1,
      by: ['role:owner', 'bea'],
      onDeadline: 'fail',
      escalateTo: [],
      allowUnverified: false,
      form: {
        type: 'object',
        required: ['batch', 'line'],
        properties: {
          batch: { type: 'string', title: 'Batch', description: 'As it is printed on the crate' },
          limit: { type: 'number', title: 'Limit', default: 0.5, minimum: 0, maximum: 1 },
          line: { enum: ['north', 'south'], title: 'Line' },
          urgent: { type: 'boolean', title: 'Urgent', default: false },
        },
      },
    },
  })
}

/** Runs in every state, a long name, a task that is under way. */
async function fillWorld(): Promise<void> {
  await family()
  await ask()
  const ids = ['import', 'embed', 'cluster', 'annotate', 'train', 'evaluate', 'register', 'deploy', 'prove']
  const needs: Record<string, string[]> = {
    embed: ['import'],
    cluster: ['embed'],
    annotate: ['cluster', 'embed'],
    train: ['annotate', 'embed'],
    evaluate: ['train', 'annotate'],
    register: ['evaluate'],
    deploy: ['register'],
    prove: ['deploy', 'evaluate'],
  }
  const future = { status: 'queued', origin: null, attempts: 0, startedAt: null, endedAt: null } as const
  const steps = ids.map((id, index) =>
    fakeStep(
      id,
      needs[id] ?? [],
      index < 2
        ? {
            reason: index ? null : 'the same 2,400 images as before',
            origin: index ? 'ran' : 'hit',
            outputs: { images: 2_400 },
          }
        : index === 2
          ? { status: 'running', endedAt: null, progress: { done: 41, total: 60, unit: 'clusters', note: 'pass 3' } }
          : index === 3
            ? { ...future, status: 'waiting', reason: 'waits for people: 240 images to label' }
            : future,
    ),
  )
  world.engine.put({ id: RUN, steps, params: { dataset: 'surfaces' }, temporalUrl: 'http://127.0.0.1:8233/' })
  const over = { endedAt: '2026-03-02T10:04:21.000Z' }
  world.engine.put({ id: 'image-classifier-20260301-failed', status: 'failed', ...over })
  world.engine.put({ id: 'surface-defects-with-a-name-of-forty-chars', status: 'completed', ...over })
  world.engine.put({ id: 'batch-1', pipeline: 'batch-task', status: 'waiting' })
  world.batchViews.push({
    id: 'batch-1',
    model: 'surface-defects v1',
    source: 'dataset surfaces',
    status: 'running',
    startedAt: '2026-03-02T10:00:00.000Z',
    endedAt: null,
    images: 2_400,
    done: 900,
    failed: [{ path: 'line-3/a file with spaces.png', reason: 'truncated: the PNG data ends before the image does' }],
    reason: null,
    ready: true,
  })
}
