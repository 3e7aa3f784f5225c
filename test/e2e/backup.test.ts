/**
 * A backup of a stack that runs, restored on an empty state folder: whatever was there is there again, and whatever was
 * under way goes on to its end.
 */

import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { RunReport } from '#core/runs'
import { gyre } from '../support/gyre.ts'
import { LiveStack } from '../support/live-stack.ts'
import { surfaceSet, type SurfaceSet } from '../support/surface-set.ts'

const MINUTES = 60_000
const isOver = ({ status }: RunReport) => ['completed', 'failed', 'cancelled'].includes(status)

let folder: string
let set: SurfaceSet
let archive: string
let original: LiveStack
let restored: LiveStack

/** Runs of the original, by what they were doing when the backup was taken. */
let finished: string
let waiting: string
let working: string
/** Logins of the original. */
let token: string
let code: string

beforeAll(async () => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'gyre-restore-'))
  set = await surfaceSet(folder, 60)
  archive = path.join(folder, 'gyre.tar')
  original = new LiveStack(path.join(folder, 'original'))
  restored = new LiveStack(path.join(folder, 'restored'))
  await original.start()
}, 5 * MINUTES)

afterAll(async () => {
  await Promise.all([original.stop(), restored.stop()])
  rmSync(folder, { recursive: true, force: true })
})

async function start(params: Record<string, unknown>): Promise<string> {
  const common = { dataset: 'surfaces', source: set.source, classes: set.classes, oracle: set.oracle }
  const how = { annotator: 'simulated', targetAccuracy: 0.9, replicas: 1 }
  const answer = await original.request('POST', '/api/pipelines/image-classifier/runs', {
    params: { ...common, ...how, ...params },
  })
  return ((await answer.json()) as { id: string }).id
}

const statusOf = (report: RunReport, step: string) => report.steps.find(({ id }) => id === step)?.status

function addressOf({ state }: LiveStack): string {
  return (JSON.parse(readFileSync(path.join(state, 'stack.json'), 'utf8')) as { apiUrl: string }).apiUrl
}

async function whoIs(stack: LiveStack, bearer: string): Promise<unknown> {
  const answer = await fetch(`${addressOf(stack)}/api/me`, { headers: { authorization: `Bearer ${bearer}` } })
  return answer.json()
}

/** @returns where a one-time link leads. */
async function open(stack: LiveStack, oneTimeCode: string): Promise<string | null> {
  const answer = await fetch(`${addressOf(stack)}/login?code=${oneTimeCode}`, { redirect: 'manual' })
  return answer.headers.get('location')
}

describe('a backup', () => {
  it(
    'is taken while runs work and wait, which notice nothing',
    async () => {
      finished = await start({})
      expect((await original.until(finished, isOver, 4 * MINUTES)).status).toBe('completed')
      waiting = await start({ minGain: -1, askBeforeDeploy: true })
      await original.until(waiting, (report) => statusOf(report, 'approve') === 'waiting', 2 * MINUTES)
      const shop = await original.json<{ link: string }>('user', 'add', 'shop', '--role', 'viewer')
      code = new URL(shop.link).searchParams.get('code')!
      token = (await original.json<{ token: string }>('user', 'token', 'shop', '--for', 'api')).token

      working = await start({ dataset: 'others', seed: 8 })
      await original.until(working, (report) => statusOf(report, 'import') === 'running', MINUTES)
      const answer = await original.json<{ frozenMs: number; files: number }>('backup', archive)
      expect(answer).toMatchObject({ temporal: true, store: 'folder', leftOut: 0 })
      expect(answer.frozenMs).toBeLessThan(4_000)
      expect(statSync(archive).mode & 0o777).toBe(0o600)
      expect(readdirSync(path.join(original.state, 'snapshots'))).toEqual([])

      const report = await original.until(working, isOver, 4 * MINUTES)
      expect(report.status).toBe('completed')
      expect(report.steps.map(({ attempts }) => attempts)).toEqual(report.steps.map(() => 1))
    },
    10 * MINUTES,
  )

  it('is restored into an empty state folder alone', async () => {
    expect(await gyre(['restore', archive, '--state', original.state])).toMatchObject({ code: 4 })
    await original.stop()
    const refused = await gyre(['restore', archive, '--state', original.state])
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('holds a state already') as string })
    const answer = await gyre(['restore', archive, '--state', restored.state, '--json'])
    expect(JSON.parse(answer.stdout)).toMatchObject({ state: restored.state, format: 1 })
    await restored.start()
  })

  it('brings datasets, models, results and people back', async () => {
    // The dataset of the run at work may or may not have been there when the backup was taken.
    expect(await restored.json('dataset', 'list')).toContainEqual(expect.objectContaining({ name: 'surfaces' }))
    expect(await restored.json('model', 'list')).toMatchObject([{ name: 'surfaces' }])
    expect(await restored.json('run', 'show', finished)).toMatchObject({ status: 'completed' })
    expect(await whoIs(restored, token)).toMatchObject({ name: 'shop', role: 'viewer' })
    expect(await open(restored, code)).toBe('/')
    expect(await open(restored, code)).toBe('/welcome?link=spent')
  })

  it('brings endpoints back, which predict as before', async () => {
    const file = path.join(set.source, set.classes[0]!, readdirSync(path.join(set.source, set.classes[0]!))[0]!)
    const [prediction] = await restored.json<{ class: string }[]>('endpoint', 'predict', 'surfaces', file)
    expect(set.classes).toContain(prediction?.class)
  })

  it(
    'lets a run that waited for a person go on when the person answers',
    async () => {
      await restored.until(waiting, (report) => statusOf(report, 'approve') === 'waiting', MINUTES)
      await restored.json('run', 'approve', waiting, 'approve', '--why', 'after the restore')
      const report = await restored.until(waiting, isOver, 2 * MINUTES)
      expect(report.steps.filter(({ status }) => status !== 'completed')).toEqual([])
    },
    4 * MINUTES,
  )

  it(
    'lets a run that was at work do the rest',
    async () => {
      expect((await restored.until(working, isOver, 4 * MINUTES)).status).toBe('completed')
    },
    5 * MINUTES,
  )
})
