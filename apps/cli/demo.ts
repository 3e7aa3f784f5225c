/** `gyre demo`: the whole loop on one machine, from rendered (or your own) images to a proven endpoint. */
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import pc from 'picocolors'
import { renderSurfaces } from '#core/synthetic'
import type { RunReport, StepReport } from '#core/runs'
import type { ApiClient } from './api-client.ts'
import { readOracle, nameOf, type DemoImages } from './demo-images.ts'
import { demoReport, demoText } from './demo-report.ts'
import { takeCensus } from './cluster-census.ts'
import { Invocation, type CommonOptions, type PlacementOptions } from './invocation.ts'
import { placementOf } from '../../infra/local/index.ts'
import { createDisplay, follow, type Display } from './live.ts'
import { loginLink, openInBrowser } from './login-link.ts'
import { failureOf, outcome, tellInterrupted } from './runs.ts'
import { withStack, type StackUse } from './stack-access.ts'
import { VERSION } from './version.ts'
import { shortPath } from './words.ts'

export interface DemoOptions extends CommonOptions, PlacementOptions {
  readonly exit?: boolean
  readonly images?: string
  readonly name?: string
  readonly annotator: 'simulated' | 'web'
}

const PIPELINE = 'image-classifier'
const RENDERED_NAME = 'surface-defects'
const RENDERED_IMAGES = 2_400
const SEED = 7

export async function demo(options: DemoOptions): Promise<void> {
  const invocation = new Invocation(options)
  const started = Date.now()
  await withStack(invocation, async (use) => {
    const before: Record<string, number> = { start: Date.now() - started }
    if (!invocation.json) process.stdout.write(`${heading(use)}\n\n`)
    const display = await createDisplay({ silent: invocation.json })
    try {
      const { images, render } = await provideImages(options, use, display)
      const census = usesCluster(invocation) ? await takeCensus(invocation.env, invocation.state) : null
      if (render) before['render'] = Date.parse(render.endedAt ?? '') - Date.parse(render.startedAt ?? '')
      const run = await runPipeline(options, use, { images, render, display })
      display.end()
      if (run.status !== 'completed') {
        if (!invocation.json) invocation.remark(`\n${outcome(run)}`)
        throw failureOf(run)
      }
      const timing = { totalMs: Date.now() - started, before }
      await finish(options, invocation, use, { images, run, timing, cluster: census?.end() ?? null })
    } catch (error) {
      if (use.signal.aborted) tellInterrupted(invocation, use)
      throw error
    } finally {
      display.end()
    }
  })
}

function usesCluster({ env }: Invocation): boolean {
  const { compute, services } = placementOf(env)
  return compute === 'kubernetes' || services === 'kubernetes'
}

function heading({ info, state }: StackUse): string {
  const temporal = info.temporalUiUrl ?? info.temporalAddress
  return `${pc.bold(`Gyre ${VERSION}`)}   state ${shortPath(state.path)}   Temporal ${temporal}`
}

interface Provided {
  readonly images: DemoImages
  /** The first line of the display; null with images of your own. */
  readonly render: StepReport | null
}

async function provideImages(options: DemoOptions, use: StackUse, display: Display): Promise<Provided> {
  const folder = path.join(use.state.path, 'demo')
  mkdirSync(folder, { recursive: true })
  const oracleFile = path.join(folder, `${datasetName(options)}-oracle.json`)
  if (options.images) return { images: await readOracle(path.resolve(options.images), oracleFile), render: null }
  const render = await renderImages(path.join(folder, 'images'), use.signal, display)
  return { images: await readOracle(path.join(folder, 'images'), oracleFile), render }
}

function datasetName({ name, images }: DemoOptions): string {
  return name ?? (images ? nameOf(images) : RENDERED_NAME)
}

/** Rendered once per state folder; the pictures are the same wherever they are rendered. */
async function renderImages(directory: string, signal: AbortSignal, display: Display): Promise<StepReport> {
  const begun = renderStep(new Date())
  display.show(reportOf([begun]))
  let shown = 0
  const rendered = await renderSurfaces(
    { directory, images: RENDERED_IMAGES, seed: SEED },
    ({ done, total }) => {
      if (Date.now() - shown < 100) return
      shown = Date.now()
      display.show(reportOf([{ ...begun, progress: { done, total, unit: 'images' } }]))
    },
    signal,
  )
  const outputs = { images: rendered.images, classes: rendered.classes.length }
  const ended: StepReport = { ...begun, status: 'completed', endedAt: new Date().toISOString(), outputs }
  display.show(reportOf([ended]))
  return ended
}

/** Rendering is no step of the run, but is shown as the first line. */
function renderStep(now: Date): StepReport {
  return {
    ...{ id: 'render', step: 'render-surfaces', needs: [], status: 'running', origin: null, attempts: 1 },
    ...{ startedAt: now.toISOString(), endedAt: null, reason: null, progress: null, outputs: null, code: null },
  }
}

function reportOf(steps: readonly StepReport[]): RunReport {
  return {
    ...{ id: '', pipeline: PIPELINE, status: 'running', startedAt: new Date().toISOString(), endedAt: null },
    ...{ params: {}, temporalUrl: null, steps },
  }
}

async function runPipeline(
  options: DemoOptions,
  use: StackUse,
  { images, render, display }: Provided & { display: Display },
): Promise<RunReport> {
  const params = {
    dataset: datasetName(options),
    source: images.directory,
    classes: images.classes,
    annotator: options.annotator,
    oracle: images.oracleFile,
    // The demo shows a deployment also where the model is no better than that of the demo before.
    minGain: -1,
  }
  const { id } = await use.api.post<{ id: string }>(`/api/pipelines/${PIPELINE}/runs`, { params })
  let invited = false
  return follow(
    use.api,
    id,
    (report) => {
      display.show({ ...report, steps: render ? [render, ...report.steps] : report.steps })
      if (!invited && options.annotator === 'web' && isLabelling(report)) {
        invited = true
        // The steps go on whether or not the person could be asked.
        invite(use, id, display).catch((error: Error) => display.note(`No invitation: ${error.message}`))
      }
    },
    use.signal,
  )
}

function isLabelling({ steps }: RunReport): boolean {
  return steps.some(({ step, status }) => step === 'annotate' && (status === 'running' || status === 'waiting'))
}

/** Asks the person to the labelling page; where no browser can be opened the links do. */
async function invite({ api, info, signal }: StackUse, run: string, display: Display): Promise<void> {
  const session = await openedSession(api, run, signal)
  const login = await loginLink(api)
  const opened = await openInBrowser(login)
  display.note(
    [`Label   ${info.apiUrl}/labelling/${session}`, `Log in  ${login}   (once${opened ? ', opened' : ''})`].join('\n'),
  )
}

/** The session that a run opened; it appears a moment after its step began. */
async function openedSession(api: ApiClient, run: string, signal: AbortSignal): Promise<string> {
  for (;;) {
    const sessions = await api.get<{ id: string; run: string | null }[]>('/api/sessions')
    const session = sessions.find((candidate) => candidate.run === run)
    if (session) return session.id
    await delay(300, undefined, { signal })
  }
}

async function finish(
  options: DemoOptions,
  invocation: Invocation,
  use: StackUse,
  { images, ...told }: { images: DemoImages; run: RunReport } & Omit<Parameters<typeof demoReport>[2], 'oracle'>,
): Promise<void> {
  const { run } = told
  const report = await demoReport(use.api, run, { ...told, oracle: images.oracle })
  const reportFile = path.join(use.state.path, 'demo', 'report.html')
  writeFileSync(reportFile, await reportHtml(use, run))
  const stays = use.own && !options.exit && process.stdout.isTTY
  const places = {
    reportFile: shortPath(reportFile),
    pictures: shortPath(images.directory),
    example: images.example,
    login: stays ? await loginLink(use.api) : '',
    stays,
  }
  invocation.answer(report, () => demoText(report, places))
  if (stays && !use.signal.aborted) await once(use.signal, 'abort')
}

async function reportHtml({ api }: StackUse, { steps }: RunReport): Promise<Uint8Array> {
  const outputs = steps.find(({ step }) => step === 'evaluate')?.outputs as { html: { sha256: string } }
  return api.bytes(`/api/reports/${outputs.html.sha256}`)
}
