/** An upgrade in the middle of a run: the state folder of the previous release, killed at work, under the stack as it is now. */

import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { RunReport } from '#core/runs'
import { LiveStack } from '../support/live-stack.ts'

const RUN = 'half-way-1'
const fixture = path.resolve(import.meta.dirname, '../fixtures/previous-release')
const folder = mkdtempSync(path.join(os.tmpdir(), 'gyre-upgrade-'))
const objects = path.join(folder, 'objects/default')
const stack = new LiveStack(folder, { GYRE_PROJECT_DIR: fixture })

beforeAll(async () => {
  execFileSync('tar', ['-xzf', path.join(fixture, 'state.tar.gz'), '-C', folder])
  await stack.start()
})
afterAll(async () => {
  await stack.stop()
  rmSync(folder, { recursive: true })
})

const resultOf = (node: string): string => readFileSync(path.join(objects, `runs/${RUN}/nodes/${node}.json`), 'utf8')

const statuses = ({ steps }: RunReport): Record<string, string> =>
  Object.fromEntries(steps.map(({ id, status }) => [id, status]))

it('a run that the previous release left half done finishes on this one, with what was done kept', async () => {
  const done = ['import', 'grade']
  const before = done.map(resultOf)
  const waiting = await stack.until(RUN, (report) => statuses(report).ask === 'waiting', 30_000)
  expect(statuses(waiting)).toMatchObject({ import: 'completed', grade: 'completed', publish: 'queued' })

  openGate()
  expect(await stack.gyre('run', 'approve', RUN, 'ask')).toMatchObject({ code: 0 })
  const report = await stack.until(RUN, ({ status }) => status !== 'running' && status !== 'waiting', 60_000)

  expect(report).toMatchObject({ status: 'completed', pipeline: 'half-way' })
  expect(new Set(Object.values(statuses(report)))).toEqual(new Set(['completed']))
  expect(done.map(resultOf)).toEqual(before)
  const { images } = (JSON.parse(before[0]!) as { output: { images: number } }).output
  expect(report.steps.find(({ id }) => id === 'publish')!.outputs).toEqual({
    text: `surfaces of ${images} images, approved by owner`,
  })
  const interrupted = report.steps.find(({ id }) => id === 'wait')!
  expect(interrupted).toMatchObject({ origin: 'ran', outputs: { images } })
  expect(interrupted.attempts).toBeGreaterThan(1)
})

/** The step that was at work when the previous release ended goes on when it finds this object. */
function openGate(): void {
  mkdirSync(path.join(objects, 'gate'))
  writeFileSync(path.join(objects, 'gate/open'), '')
}
