import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Schedule, walk, type Json, type Plan, type PlanNode, type Verdict } from '#core/plan'

const node = (id: string, needs: readonly string[] = []): PlanNode => ({
  ...{ id, step: 'noop', kind: 'activity', input: needs.map((need) => ({ $ref: need, path: [] })) as never, needs },
  ...{ when: null, codeVersion: 'v', bundle: null },
  policy: { queue: 'cpu', timeoutMs: 1_000, attempts: 1, cache: false },
})

const plan = (...nodes: readonly PlanNode[]): Plan => ({
  ...{ format: 2, pipeline: 'p', codeVersion: 'v', params: {}, nodes, digest: '0'.repeat(64) },
})

const ROOT = { ready: ['a'], outputs: {}, skipped: [] }
const done = (id: string, ran = false): Verdict => ({ kind: 'done', output: id, ran })
const always = { isOver: () => false, atOnce: 4 }

describe('walk', () => {
  it('goes on from what is decided, and stops at what somebody else must do', async () => {
    const chain = plan(node('a'), node('b', ['a']), node('c', ['b']), node('d', ['c']))
    const decided = await walk<Verdict>(chain, ROOT, [], {
      ...always,
      decide: async ({ id }) => (id === 'c' ? { kind: 'start' } : done(id)),
    })
    expect(decided.map(({ id, kind }) => `${id} ${kind}`)).toEqual(['a done', 'b done', 'c start'])
  })

  it('leaves nodes alone that wait for something outside', async () => {
    const join = plan(node('a'), node('elsewhere'), node('b', ['a', 'elsewhere']))
    const decided = await walk<Verdict>(join, ROOT, [], { ...always, decide: async ({ id }) => done(id) })
    expect(decided.map(({ id }) => id)).toEqual(['a'])
  })

  it('tells of each node whether something before it ran', async () => {
    const before: Record<string, boolean> = {}
    const state = { ready: ['b', 'c'], outputs: { fresh: 1, old: 2 }, skipped: [] }
    const nodes = plan(node('fresh'), node('old'), node('b', ['fresh']), node('c', ['old']), node('d', ['b', 'c']))
    await walk<Verdict>(nodes, state, ['fresh'], {
      ...always,
      async decide({ id }, _, ranBefore) {
        before[id] = ranBefore
        return done(id)
      },
    })
    expect(before).toEqual({ b: true, c: false, d: true })
  })

  it('decides at least one node, however little time there is', async () => {
    const chain = plan(node('a'), node('b', ['a']))
    const decided = await walk<Verdict>(chain, ROOT, [], {
      isOver: () => true,
      atOnce: 4,
      decide: async () => done('a'),
    })
    expect(decided).toHaveLength(1)
  })

  it('decides nothing new after a failure', async () => {
    const wide = plan(node('a'), node('b', ['a']))
    const decided = await walk<Verdict>(wide, ROOT, [], { ...always, decide: async () => ({ kind: 'failed' }) })
    expect(decided.map(({ id }) => id)).toEqual(['a'])
  })

  it('ends, and tells the failure, where a node cannot be decided', async () => {
    const failing = walk<Verdict>(plan(node('a')), ROOT, [], {
      ...always,
      decide: () => Promise.reject(new Error('the store is away')),
    })
    await expect(failing).rejects.toThrow('the store is away')
  })

  it('in pieces of any size decides what one schedule would, with the same inputs', async () => {
    const graphs = fc.array(fc.array(fc.nat(15), { maxLength: 3 }), { minLength: 1, maxLength: 16 })
    await fc.assert(
      fc.asyncProperty(graphs, fc.integer({ min: 1, max: 5 }), async (edges, most) => {
        const nodes = edges.map((targets, at) =>
          node(
            `n${at}`,
            [...new Set(targets.filter((target) => target < at))].sort((a, b) => a - b).map((need) => `n${need}`),
          ),
        )
        const inputs = new Map<string, Json>()
        const schedule = new Schedule(plan(...nodes))
        const ready = new Set(schedule.turns().map((turn) => turn.node.id))
        while (ready.size > 0) {
          let left = most
          const decided = await walk<Verdict>(plan(...nodes), schedule.stateWith([...ready]), [], {
            atOnce: 2,
            isOver: () => left <= 0,
            async decide({ id }, input) {
              left -= 1
              expect(inputs.has(id)).toBe(false)
              inputs.set(id, input)
              return done(id)
            },
          })
          for (const { id } of decided) {
            schedule.complete(id, id)
            ready.delete(id)
          }
          const turned = schedule.turns().map((turn) => turn.node.id)
          for (const id of turned) if (!decided.some((one) => one.id === id)) ready.add(id)
        }
        expect(schedule.finished).toBe(true)
        for (const { id, needs } of nodes) expect(inputs.get(id)).toEqual(needs)
      }),
      { numRuns: 60 },
    )
  })
})
