/**
 * The re-run matrix: shapes of graphs, each with everything that can change between two runs, and exactly the nodes that
 * run then. The parts are those of the engine (schedule, decisions, forecasts); only bodies are made up.
 */

import { describe, expect, it } from 'vitest'
import { Schedule, type Condition, type Json, type Plan, type PlanNode } from '#core/plan'
import { forecastPlan, remember, resolveNode, type ResolvePorts } from '#core/reuse'
import { createRun, readNode, recordNode, type NodeForecast, type RunBase } from '#core/runs'
import { approve, type StepDefinition } from '#core/steps'
import { blobKey, blobsIn, canonicalJson, createMemoryStore, digestJson, putBlob } from '#core/storage'

/** What a run is given: a parameter, data, and the code of the node that the shape is about. */
interface Given {
  readonly k: number
  readonly data: string
  readonly code: string
}
const FIRST: Given = { k: 5, data: 'monday', code: 'v1' }

interface Shape {
  /** The node that changes, fails, is forced, and whose artifact goes. */
  readonly target: string
  /** Forced where not the target alone. */
  readonly from?: readonly string[]
  readonly first?: Partial<Given>
  readonly nodes: (given: Given) => readonly PlanNode[]
  /** Nodes that run, separated by spaces. */
  readonly param: string
  readonly code: string
  readonly data: string
  readonly deleted: string
  readonly failed: string
  readonly forced: string
}

const ref = (id: string, ...path: string[]): Json => ({ $ref: id, path })

function node(id: string, needs: readonly string[], extra: Partial<PlanNode> = {}): PlanNode {
  const inputs = Object.fromEntries(needs.map((need) => [need.replace('.', '-'), ref(need)]))
  return {
    id,
    step: id,
    kind: 'activity',
    needs: [...needs].sort(),
    when: null,
    policy: { queue: 'cpu', timeoutMs: 1_000, attempts: 1, cache: true },
    codeVersion: 'v1',
    bundle: 'b'.repeat(64),
    ...extra,
    input: { ...inputs, ...(extra.input as object | undefined) },
  }
}

const uncached = { policy: { ...node('x', []).policy, cache: false } }
const good = (id: string): { readonly when: Condition } => ({
  when: { kind: 'is', ref: { $ref: id, path: ['good'] } },
})
const asks = (id: string, subject: string): PlanNode =>
  node(id, [subject], {
    ...uncached,
    step: 'approve',
    kind: 'approve',
    bundle: null,
    codeVersion: 'unversioned',
    input: { [subject]: undefined, subject: ref(subject) } as unknown as Json, // By another name.
  })

const SHAPES: Readonly<Record<string, Shape>> = {
  'a chain': {
    target: 'b',
    nodes: ({ k, data, code }) => [
      node('a', [], { input: { data } }),
      node('b', ['a'], { input: { k }, codeVersion: code }),
      node('c', ['b']),
    ],
    ...{ param: 'b c', code: 'b c', data: 'a b c', deleted: 'b', failed: 'b c', forced: 'b' },
  },
  'a diamond': {
    target: 'b',
    nodes: ({ k, data, code }) => [
      node('a', [], { input: { data } }),
      node('b', ['a'], { input: { k }, codeVersion: code }),
      node('c', ['a']),
      node('d', ['b', 'c']),
    ],
    ...{ param: 'b d', code: 'b d', data: 'a b c d', deleted: 'b', failed: 'b d', forced: 'b' },
  },
  'a fan-in': {
    target: 'b',
    nodes: ({ k, data, code }) => [
      node('a', [], { input: { data } }),
      node('b', [], { input: { k }, codeVersion: code }),
      node('c', []),
      node('d', ['a', 'b', 'c']),
    ],
    ...{ param: 'b d', code: 'b d', data: 'a d', deleted: 'b', failed: 'b d', forced: 'b' },
  },
  'a fan-out': {
    target: 'a',
    nodes: ({ k, data, code }) => [
      node('a', [], { input: { k, data }, codeVersion: code }),
      node('b', ['a']),
      node('c', ['a']),
      node('d', ['a']),
    ],
    ...{ param: 'a b c d', code: 'a b c d', data: 'a b c d', deleted: 'a', failed: 'a b c d', forced: 'a' },
  },
  'a condition that holds': {
    target: 'check',
    nodes: ({ data, k, code }) => [
      node('a', [], { input: { data, k } }),
      node('check', ['a'], { step: 'check', codeVersion: code }),
      node('c', ['check'], good('check')),
      node('d', ['c']),
    ],
    ...{ param: 'a check c d', code: 'check c d', data: 'a check c d', deleted: 'check' },
    ...{ failed: 'check c d', forced: 'check' },
  },
  'a condition that ceases to hold': {
    target: 'check',
    nodes: ({ data, k, code }) => [
      node('a', [], { input: { data } }),
      node('check', ['a'], { step: 'check', input: { k }, codeVersion: code }),
      node('c', ['check'], good('check')),
      node('d', ['c']),
    ],
    ...{ param: 'check', code: 'check c d', data: 'a check c d', deleted: 'check' },
    ...{ failed: 'check c d', forced: 'check' },
  },
  'a condition that begins to hold': {
    target: 'check',
    first: { k: 20 },
    nodes: ({ data, k, code }) => [
      node('a', [], { input: { data } }),
      node('check', ['a'], { step: 'check', input: { k }, codeVersion: code }),
      node('c', ['check', 'a'], { ...good('check'), ...uncached }),
    ],
    ...{ param: 'check c', code: 'check', data: 'a check', deleted: 'check', failed: 'check', forced: 'check' },
  },
  'a sub-pipeline': {
    target: 'sub.b',
    from: ['sub.b', 'sub.c'],
    nodes: ({ k, data, code }) => [
      node('a', [], { input: { data } }),
      node('sub.b', ['a'], { input: { k }, codeVersion: code }),
      node('sub.c', ['sub.b']),
      node('d', ['sub.c', 'a']),
    ],
    ...{ param: 'sub.b sub.c d', code: 'sub.b sub.c d', data: 'a sub.b sub.c d', deleted: 'sub.b' },
    ...{ failed: 'sub.b sub.c d', forced: 'sub.b sub.c' },
  },
  'an approval in the middle': {
    target: 'a',
    nodes: ({ k, data, code }) => [
      node('a', [], { input: { k, data }, codeVersion: code }),
      asks('ok', 'a'),
      node('c', ['a', 'ok'], uncached),
    ],
    ...{ param: 'a ok c', code: 'a ok c', data: 'a ok c', deleted: 'a c', failed: 'a ok c', forced: 'a c' },
  },
  'a head that is never cached': {
    target: 'a',
    nodes: ({ k, data, code }) => [
      node('a', [], { ...uncached, input: { k, data }, codeVersion: code }),
      node('b', ['a']),
      node('c', ['b']),
    ],
    ...{ param: 'a b c', code: 'a b c', data: 'a b c', deleted: 'a', failed: 'a b c', forced: 'a' },
  },
  'a middle that is never cached': {
    target: 'a',
    nodes: ({ k, data, code }) => [
      node('a', [], { input: { k, data }, codeVersion: code }),
      node('m', ['a'], uncached),
      node('c', ['m']),
    ],
    ...{ param: 'a m c', code: 'a m c', data: 'a m c', deleted: 'a m', failed: 'a m c', forced: 'a m' },
  },
  'a tail that is never cached': {
    target: 'b',
    nodes: ({ k, data, code }) => [
      node('a', [], { input: { data } }),
      node('b', ['a'], { input: { k }, codeVersion: code }),
      node('t', ['b'], uncached),
    ],
    ...{ param: 'b t', code: 'b t', data: 'a b t', deleted: 'b t', failed: 'b t', forced: 'b t' },
  },
  'two chains beside each other': {
    target: 'a',
    nodes: ({ k, data, code }) => [
      node('a', [], { input: { k }, codeVersion: code }),
      node('b', ['a']),
      node('c', [], { input: { data } }),
      node('d', ['c'], uncached),
    ],
    // After the failure nothing new began, so d had not run.
    ...{ param: 'a b', code: 'a b', data: 'c d', deleted: 'a', failed: 'a b d', forced: 'a' },
  },
  'a map over what a step gives': {
    target: 'm',
    nodes: ({ k, data, code }) => [
      node('a', [], { input: { data } }),
      node('m', ['a'], {
        kind: 'map',
        codeVersion: code,
        input: { k },
        map: { over: ref('a', 'blob'), concurrency: 2, atLeast: 1, attempts: 1 },
      }),
      node('c', ['m']),
    ],
    ...{ param: 'm c', code: 'm c', data: 'a m c', deleted: 'm', failed: 'm c', forced: 'm' },
  },
  'a node that always gives the same': {
    target: 'a',
    nodes: ({ k, data, code }) => [
      node('a', [], { input: { k, data }, codeVersion: code }),
      node('n', ['a'], { step: 'constant' }),
      node('c', ['n']),
    ],
    ...{ param: 'a n', code: 'a n', data: 'a n', deleted: 'a', failed: 'a n c', forced: 'a' },
  },
}

function planOf(nodes: readonly PlanNode[]): Plan {
  const plain = JSON.parse(JSON.stringify(nodes)) as readonly PlanNode[]
  return { format: 2, pipeline: 'p', codeVersion: 'v', params: {}, nodes: plain, digest: digestJson(plain) }
}

class World {
  readonly store = createMemoryStore()
  readonly ports: ResolvePorts = {
    store: this.store,
    steps: new Map([['approve', approve as unknown as StepDefinition]]),
    codeVersion: () => 'unversioned',
  }

  open(run: string, plan: Plan, basedOn?: RunBase): Promise<boolean> {
    return createRun(this.store, {
      run,
      plan,
      by: 'ada',
      startedAt: '2026-01-01T00:00:00.000Z',
      ...(basedOn && { basedOn }),
    })
  }

  /** @returns the nodes that ran, in plan order. */
  async carryOut(run: string, plan: Plan, failing?: string): Promise<string> {
    const schedule = new Schedule(plan)
    const ran = new Set<string>()
    const fresh = new Set<string>()
    for (let turns = schedule.turns(); turns.length > 0; turns = schedule.turns())
      for (const turn of turns) {
        if (turn.kind === 'skip') continue
        const { id, needs } = turn.node
        const ranBefore = needs.some((need) => fresh.has(need))
        const resolution = await resolveNode(this.ports, run, turn.node, turn.input, { ranBefore })
        if (resolution.kind === 'invalid') throw new Error(resolution.message)
        if (resolution.kind === 'run' && id === failing) {
          schedule.halt()
          continue
        }
        if (resolution.kind === 'run') ran.add(id)
        if (resolution.kind === 'run' || resolution.ran || ranBefore) fresh.add(id)
        schedule.complete(
          id,
          resolution.kind === 'run' ? await this.#run(run, turn.node, resolution) : resolution.output,
        )
      }
    return inOrder(plan, ran)
  }

  async #run(
    run: string,
    one: PlanNode,
    resolution: Extract<Awaited<ReturnType<typeof resolveNode>>, { kind: 'run' }>,
  ): Promise<Json> {
    const { input, key, basis, reason } = resolution
    const output = await this.#body(one, input)
    const at = '2026-01-01T00:00:00.000Z'
    const times = { attempts: 1, startedAt: at, endedAt: at }
    await recordNode(this.store, run, one.id, { output, origin: 'ran', key, reason, ...times, ...(basis && { basis }) })
    if (key) await remember(this.store, key, { output, run, node: one.id })
    return output
  }

  /** What it gives depends on its code and input alone. */
  async #body({ id, step, codeVersion }: PlanNode, input: Json): Promise<Json> {
    if (step === 'approve') return { approved: true, subject: digestJson((input as { subject: Json }).subject) }
    const made = step === 'constant' ? 'the same' : { id, codeVersion, input }
    const blob = await putBlob(this.store, Buffer.from(canonicalJson(made)))
    const isGood = ((input as { readonly k?: number }).k ?? 0) < 10
    return { blob: { ...blob }, ...(step === 'check' && { good: isGood }) }
  }

  async removeArtifact(run: string, id: string): Promise<void> {
    for (const sha256 of blobsIn((await readNode(this.store, run, id))!.output))
      await this.store.delete(blobKey(sha256))
  }
}

const inOrder = ({ nodes }: Plan, ids: ReadonlySet<string>): string =>
  nodes
    .map(({ id }) => id)
    .filter((id) => ids.has(id))
    .join(' ')

const isExpectedToRun = ({ does, expected }: NodeForecast): boolean => does === 'run' || expected === 'run'

/** Each changes one thing between the base and the run that is based on it. */
const CHANGES = ['param', 'code', 'data', 'deleted', 'failed', 'forced'] as const

function givenAfter(change: (typeof CHANGES)[number], before: Given): Given {
  if (change === 'param') return { ...before, k: before.k === 5 ? 20 : 5 }
  if (change === 'code') return { ...before, code: 'v2' }
  return change === 'data' ? { ...before, data: 'tuesday' } : before
}

describe.each(Object.entries(SHAPES))('%s', (_, shape) => {
  it.each(CHANGES)('runs again exactly what must, and says so before (%s)', async (change) => {
    const world = new World()
    const before = { ...FIRST, ...shape.first }
    const failing = change === 'failed' ? shape.target : undefined
    const basePlan = planOf(shape.nodes(before))
    await world.open('base', basePlan)
    await world.carryOut('base', basePlan, failing)
    if (change === 'deleted') await world.removeArtifact('base', shape.target)

    const plan = planOf(shape.nodes(givenAfter(change, before)))
    const forced = change === 'forced' ? (shape.from ?? [shape.target]) : []
    const basedOn: RunBase = { kind: change === 'code' ? 'fork' : 'rerun', run: 'base', forced }
    const { nodes } = await forecastPlan(world.ports, plan, { base: basedOn, comparedWith: 'base' })
    await world.open('next', plan, basedOn)
    const ran = await world.carryOut('next', plan)

    expect(ran).toBe(shape[change])
    for (const { id, does } of nodes) {
      const agrees = does === 'open' || (does === 'run') === ran.split(' ').includes(id)
      expect({ id, does, agrees }).toEqual({ id, does, agrees: true })
    }
    // What the forecast expects holds where everything gives what it gave before.
    if (forced.length > 0 || change === 'deleted')
      expect(inOrder(plan, new Set(nodes.filter(isExpectedToRun).map(({ id }) => id)))).toBe(ran)
  })

  it('finds everything when nothing has changed', async () => {
    const world = new World()
    const plan = planOf(shape.nodes({ ...FIRST, ...shape.first }))
    await world.carryOut('base', plan)
    await world.open('next', plan, { kind: 'rerun', run: 'base', forced: [] })
    expect(await world.carryOut('next', plan)).toBe('')
  })

  it('goes on from its failure when it is resumed', async () => {
    const world = new World()
    const plan = planOf(shape.nodes({ ...FIRST, ...shape.first }))
    await world.carryOut('base', plan, shape.target)
    expect(await world.carryOut('base', plan)).toBe(shape.failed)
  })
})
