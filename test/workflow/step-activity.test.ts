/** What the end of an attempt means to the body of its step. */

import { MockActivityEnvironment } from '@temporalio/testing'
import { expect, it } from 'vitest'
import { HandOver } from '#core/execution'
import { createMemoryStore } from '#core/storage'
import { createStepActivity, type RunBody, type StepPorts } from '../../activities/step.ts'
import { StepTimes } from '../../activities/step-times.ts'
import type { StepCall } from '../../workflows/types.ts'

const call: StepCall = { run: 'r', node: 'n', step: 'train', input: {}, key: null, bundle: null }

/** The reason with which the body of a step hears that it shall end. */
async function reasonOf(cancellation: string, wasTerminated: StepPorts['wasTerminated']): Promise<unknown> {
  const store = createMemoryStore()
  const unused = () => Promise.reject(new Error('not asked for here'))
  const ports: StepPorts = {
    ...{ store, storeAt: { uri: 'memory:', project: 'default' }, steps: new Map(), scratchDir: '/', bundleDir: '/' },
    ...{ once: { store, alone: true, later: () => undefined }, follow: unused, tellSession: unused, wasTerminated },
    times: new StepTimes(),
  }
  const environment = new MockActivityEnvironment({ attempt: 1 })
  let heard: unknown
  const body: RunBody = (_request, { signal }) =>
    new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => reject((heard = signal.reason) as Error))
      environment.cancel(cancellation as 'CANCELLED')
    })
  await expect(environment.run(createStepActivity(ports, body), call)).rejects.toThrow()
  return heard
}

const yes = () => Promise.resolve(true)
const no = () => Promise.resolve(false)

it('a person who cancels a run ends the work of its steps', async () => {
  expect(await reasonOf('CANCELLED', no)).toMatchObject({ message: 'CANCELLED' })
})

it('a worker that shuts down leaves the work to the next attempt', async () => {
  expect(await reasonOf('WORKER_SHUTDOWN', yes)).toBeInstanceOf(HandOver)
})

it('an attempt that the server has forgotten leaves its work to another, unless the workflow was terminated', async () => {
  expect(await reasonOf('NOT_FOUND', no)).toBeInstanceOf(HandOver)
  expect(await reasonOf('NOT_FOUND', () => Promise.reject(new Error('Temporal is away')))).toBeInstanceOf(HandOver)
  expect(await reasonOf('NOT_FOUND', yes)).toMatchObject({ message: 'NOT_FOUND' })
})
