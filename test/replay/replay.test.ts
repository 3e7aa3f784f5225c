/** Histories recorded on a real server replay on the workflows as they are now: a run in flight survives an upgrade. */

import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { DefaultLogger, Runtime, Worker } from '@temporalio/worker'
import { describe, expect, it } from 'vitest'
import { workflowBundle } from '../support/temporal.ts'

const folder = path.resolve(import.meta.dirname, 'histories')
const files = readdirSync(folder).filter((name) => name.endsWith('.json'))
Runtime.install({ logger: new DefaultLogger('ERROR') })

describe('a recorded history', () => {
  it('exists for every shape of run', () => {
    expect(files.length).toBeGreaterThanOrEqual(10)
  })

  it.each(files)('replays: %s', async (name) => {
    const history: unknown = JSON.parse(readFileSync(path.join(folder, name), 'utf8'))
    await Worker.runReplayHistory({ workflowBundle: await workflowBundle() }, history)
  })

  it('does not replay when the workflow would do something else', async () => {
    const name = files.find((one) => one.includes('passes-outputs-along'))!
    const history = JSON.parse(readFileSync(path.join(folder, name), 'utf8')) as {
      events: { activityTaskScheduledEventAttributes?: { activityType: { name: string } } }[]
    }
    const scheduled = history.events.find((event) => event.activityTaskScheduledEventAttributes)
    scheduled!.activityTaskScheduledEventAttributes!.activityType.name = 'something-else'
    await expect(Worker.runReplayHistory({ workflowBundle: await workflowBundle() }, history)).rejects.toThrow(
      /nondeterminism/i,
    )
  })
})

describe('the workflow bundle', () => {
  it('holds no zod and nothing of Node', async () => {
    const bundle = await workflowBundle()
    const { code } = bundle as { code: string }
    expect(code).not.toMatch(/node_modules\/zod\//)
    expect(code).not.toMatch(/require\("node:/)
  })
})
