/** Which steps are carried out on the way, and which get an activity of their own. */

import { setTimeout as delay } from 'node:timers/promises'
import { expect, it } from 'vitest'
import type { Plan, PlanNode } from '#core/plan'
import { createRun, readNode } from '#core/runs'
import { createMemoryStore, type ObjectStore } from '#core/storage'
import { createAdvance, type Advance } from '../../activities/advance.ts'
import { StepTimes } from '../../activities/step-times.ts'
import type { RunBody } from '../../activities/step.ts'

const policy = { queue: 'cpu', timeoutMs: 60_000, attempts: 3, cache: false } as const

function chain(length: number, quick?: boolean): PlanNode[] {
  return Array.from({ length }, (_, index) => ({
    id: `n${index}`,
    step: 'own',
    kind: 'activity',
    input: index === 0 ? {} : { before: { $ref: `n${index - 1}`, path: [] } },
    needs: index === 0 ? [] : [`n${index - 1}`],
    when: null,
    policy: { ...policy, ...(quick === undefined ? {} : { quick }) },
    codeVersion: 'v1',
    bundle: 'b'.repeat(64),
  }))
}

async function setUp(
  nodes: readonly PlanNode[],
  { alone = true, body = done }: { alone?: boolean; body?: RunBody } = {},
) {
  const store = createMemoryStore()
  const plan: Plan = { format: 2, pipeline: 'test', codeVersion: 'v', params: {}, nodes, digest: '0'.repeat(64) }
  await createRun(store, { run: 'r', plan, by: 'ada', startedAt: new Date().toISOString() })
  const times = new StepTimes()
  const advance = createAdvance({
    store,
    storeAt: { uri: 'memory:', project: 'default' },
    steps: new Map(),
    scratchDir: '/',
    bundleDir: '/',
    tellSession: () => Promise.resolve(),
    wasTerminated: () => Promise.resolve(false),
    once: { store, alone, later: () => undefined },
    times,
    codeVersion: () => 'v1',
    warm: body,
    servesAll: true,
  })
  return { store, times, advance }
}

const done: RunBody = ({ node }) => Promise.resolve({ node })

/** What is decided when the first node, which others wait for, has completed. */
async function followed({ store, advance }: { store: ObjectStore; advance: Advance }, then: readonly string[]) {
  const call = { run: 'r', node: 'n0', step: 'own', input: {}, key: null, bundle: 'b'.repeat(64), then }
  const decisions = await advance.follow(call, { node: 'n0' }, new AbortController().signal)
  const ran = await Promise.all(decisions.map(async ({ id }) => (await readNode(store, 'r', id))?.origin))
  return decisions.map(({ id, kind }, index) => `${id} ${kind} ${ran[index] ?? '-'}`)
}

const own = { bundle: 'b'.repeat(64), step: 'own' }

it('carries out on the way what took milliseconds the last time', async () => {
  const engine = await setUp(chain(4))
  await engine.times.measure(own, () => Promise.resolve())
  expect(await followed(engine, ['n1'])).toEqual(['n1 done ran', 'n2 done ran', 'n3 done ran'])
})

it('does not count the time that a step waited for a thread', async () => {
  const engine = await setUp(chain(2))
  await engine.times.measure(own, async (begin) => {
    await delay(40)
    begin()
  })
  expect(await followed(engine, ['n1'])).toEqual(['n1 done ran'])
})

it.each([
  ['that never ran here', chain(2), { alone: true, known: false }],
  ['whose policy says that it is not quick', chain(2, false), { alone: true, known: true }],
  ['where other workers carry out steps too', chain(2), { alone: false, known: true }],
])('leaves a step to an activity of its own %s', async (_, nodes, { alone, known }) => {
  const engine = await setUp(nodes, { alone })
  if (known) await engine.times.measure(own, () => Promise.resolve())
  expect(await followed(engine, ['n1'])).toEqual(['n1 start -'])
})

it('leaves a step that fails on the way to an activity of its own, and the next ones too', async () => {
  const engine = await setUp(chain(3), { body: () => Promise.reject(new Error('no such luck')) })
  await engine.times.measure(own, () => Promise.resolve())
  expect(await followed(engine, ['n1'])).toEqual(['n1 start -'])
  expect(engine.times.isSmall(own)).toBe(false)
})
