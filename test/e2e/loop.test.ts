/** The whole loop on a small rendered set, on the real stack: one stack, several stories told in order. */

import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RunReport } from '#core/runs'
import { LiveStack } from '../support/live-stack.ts'
import { surfaceSet, type SurfaceSet } from '../support/surface-set.ts'

const OVER = ['completed', 'failed', 'cancelled']
const over = (report: RunReport): boolean => OVER.includes(report.status)
const MINUTES = 60_000

let folder: string
let stack: LiveStack
let set: SurfaceSet
let first: RunReport

const params = (): Record<string, unknown> => ({
  dataset: 'surfaces',
  source: set.source,
  classes: set.classes,
  annotator: 'simulated',
  oracle: set.oracle,
  targetAccuracy: 0.9,
  replicas: 1,
  captureBytes: 10_000_000,
})

const start = async (pipeline: string, values: unknown): Promise<string> => {
  const answer = await stack.request('POST', `/api/pipelines/${pipeline}/runs`, { params: values })
  const body = (await answer.json()) as { id: string; detail?: string }
  if (!answer.ok) throw new Error(body.detail)
  return body.id
}
const outputs = <T>(report: RunReport, step: string): T => report.steps.find(({ id }) => id === step)!.outputs as T
const origins = (report: RunReport): Record<string, string | null> =>
  Object.fromEntries(report.steps.map(({ id, origin }) => [id, origin]))

beforeAll(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'gyre-loop-'))
  set = await surfaceSet(folder, 240)
  stack = new LiveStack(path.join(folder, 'state'))
  await stack.start()
}, 3 * MINUTES)
afterAll(async () => {
  await stack?.stop()
  await rm(folder, { recursive: true, force: true })
}, MINUTES)

describe('the loop', () => {
  it(
    'goes from a folder of images to an endpoint that gives the evaluated answers',
    async () => {
      const run = await start('image-classifier', params())
      first = await stack.until(run, over, 5 * MINUTES)
      expect(first.steps.map(({ id, status, code, reason }) => [id, status, code && reason])).toEqual(
        ['import', 'embed', 'cluster', 'annotate', 'train', 'evaluate', 'register', 'deploy', 'prove'].map((id) => [
          id,
          'completed',
          null,
        ]),
      )
      expect(outputs<{ images: number }>(first, 'import').images).toBe(set.images)
      expect(outputs<{ accuracy: number }>(first, 'evaluate').accuracy).toBeGreaterThan(0.8)
      expect(outputs<{ agree: number; accuracy: number }>(first, 'prove')).toMatchObject({ agree: 1 })
      expect(outputs<{ accuracy: number }>(first, 'prove').accuracy).toBeGreaterThan(0.8)
    },
    6 * MINUTES,
  )

  it(
    'starts the next run from the labels there are: images are not embedded again, and nobody is asked twice',
    async () => {
      const again = await stack.until(await start('image-classifier', params()), over, 4 * MINUTES)
      expect(again.status).toBe('completed')
      expect(origins(again)).toMatchObject({ import: 'ran', embed: 'hit', cluster: 'hit' })
      const shown = (report: RunReport): number => outputs<{ stats: { shown: number } }>(report, 'annotate').stats.shown
      expect(shown(again)).toBeLessThan(shown(first))
    },
    5 * MINUTES,
  )

  it(
    'answers single images, and takes what it captured back into the dataset',
    async () => {
      const fresh = path.join(folder, 'fresh')
      const unseen = await surfaceSetWithSeed(fresh)
      const answers = await stack.json<{ file: string; class: string; score: number }[]>(
        'endpoint',
        'predict',
        'surfaces',
        ...unseen,
      )
      expect(answers.map(({ file }) => file)).toEqual(unseen)
      for (const { class: name, score } of answers) {
        expect(set.classes).toContain(name)
        expect(score).toBeGreaterThan(1 / set.classes.length)
      }
      const { source: _, ...rest } = params()
      const next = await stack.until(
        await start('image-classifier', rest),
        ({ steps }) => steps[0]!.status === 'completed',
        MINUTES,
      )
      const before = outputs<{ images: number }>(first, 'import').images
      expect(outputs<{ images: number; added: number }>(next, 'collect')).toMatchObject({
        images: before + unseen.length,
        added: unseen.length,
      })
      await stack.request('POST', `/api/runs/${next.id}/cancel`)
      const ended = await stack.until(next.id, over, 10_000)
      expect(ended.status).toBe('cancelled')
    },
    3 * MINUTES,
  )

  it(
    'classifies a folder as a self-service task, with a reason for each image that fails',
    async () => {
      const inbox = path.join(folder, 'inbox')
      await mkdir(inbox)
      const [name] = set.classes
      const files = (await readdir(path.join(set.source, name!))).slice(0, 5)
      for (const file of files)
        await writeFile(path.join(inbox, file), await readFile(path.join(set.source, name!, file)))
      await writeFile(path.join(inbox, 'notes.jpg'), 'not an image')
      const result = await stack.json<{ status: string; images: number; failed: { path: string; reason: string }[] }>(
        'batch',
        'run',
        'surfaces@champion',
        '--on',
        inbox,
      )
      expect(result).toMatchObject({ status: 'completed', images: 6, failed: [{ path: 'notes.jpg' }] })
      expect(result.failed[0]!.reason).toMatch(/^a text file/)
    },
    2 * MINUTES,
  )

  it(
    'resumes a failed run after its cause was mended, and keeps what was finished',
    async () => {
      const oracle = path.join(folder, 'late-oracle.json')
      const run = await start('image-classifier', { ...params(), dataset: 'late', oracle })
      const failed = await stack.until(run, over, 3 * MINUTES)
      expect(failed.status).toBe('failed')
      const cause = failed.steps.find(({ id }) => id === 'annotate')!
      expect(cause).toMatchObject({ status: 'failed' })
      expect(cause.reason).toContain('late-oracle.json')
      const shown = await stack.gyre('run', 'show', run)
      expect(shown.stdout).toContain('late-oracle.json')
      await writeFile(oracle, await readFile(set.oracle))
      expect((await stack.gyre('run', 'resume', run)).code).toBe(0)
      const mended = await stack.until(run, over, 5 * MINUTES)
      expect(mended.status).toBe('completed')
      expect(origins(mended)).toMatchObject({
        import: 'recovered',
        embed: 'recovered',
        cluster: 'recovered',
        annotate: 'ran',
      })
    },
    9 * MINUTES,
  )
})

/** Six images that are not in the set. */
async function surfaceSetWithSeed(directory: string): Promise<readonly string[]> {
  const { renderSurfaces } = await import('#core/synthetic')
  await renderSurfaces({ directory, images: 12, seed: 99 }, () => undefined, new AbortController().signal)
  const classes = (await readdir(directory)).sort()
  const files = await Promise.all(
    classes.map(async (name) => path.join(directory, name, (await readdir(path.join(directory, name))).sort()[0]!)),
  )
  return files
}
