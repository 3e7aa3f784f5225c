import { describe, expect, it } from 'vitest'
import fc from 'fast-check'
import { Schedule, type Json, type Plan, type PlanNode } from '#core/plan'

const node = (id: string, needs: readonly string[] = [], extra: Partial<PlanNode> = {}): PlanNode => ({
  id,
  step: 'noop',
  kind: 'activity',
  input: Object.fromEntries(needs.map((need) => [need, { $ref: need, path: [] }])) as Json,
  needs,
  when: null,
  policy: { queue: 'cpu', timeoutMs: 1_000, attempts: 1, cache: false },
  codeVersion: 'v',
  bundle: null,
  ...extra,
})

const plan = (...nodes: readonly PlanNode[]): Plan => ({
  format: 1,
  pipeline: 'p',
  codeVersion: 'v',
  params: {},
  nodes,
  digest: '0'.repeat(64),
})

const ids = (turns: ReturnType<Schedule['turns']>): string[] => turns.map((turn) => `${turn.kind} ${turn.node.id}`)

describe('Schedule', () => {
  it('gives every root its turn at once, in plan order', () => {
    expect(ids(new Schedule(plan(node('b'), node('a'))).turns())).toEqual(['run b', 'run a'])
  })

  it('gives a node its turn once all its needs have completed', () => {
    const schedule = new Schedule(plan(node('a'), node('b'), node('c', ['a', 'b'])))
    schedule.turns()
    schedule.complete('a', 1)
    expect(schedule.turns()).toEqual([])
    schedule.complete('b', 2)
    const [turn] = schedule.turns()
    expect(turn).toMatchObject({ kind: 'run', input: { a: 1, b: 2 } })
  })

  it('skips a node whose condition does not hold, and everything that needs it', () => {
    const when = { kind: 'is', ref: { $ref: 'a', path: ['good'] } } as const
    const schedule = new Schedule(plan(node('a'), node('b', ['a'], { when }), node('c', ['b']), node('d', ['a'])))
    schedule.turns()
    schedule.complete('a', { good: false })
    expect(ids(schedule.turns())).toEqual(['skip b', 'run d', 'skip c'])
    schedule.complete('d', null)
    expect(schedule.finished).toBe(true)
  })

  it('gives no turns after it was halted', () => {
    const schedule = new Schedule(plan(node('a'), node('b', ['a'])))
    schedule.turns()
    schedule.halt()
    schedule.complete('a', null)
    expect(schedule.turns()).toEqual([])
    expect(schedule.finished).toBe(false)
  })

  it('gives each node of any acyclic graph exactly one turn, after all it needs', () => {
    const graphs = fc.array(fc.array(fc.nat(30), { maxLength: 4 }), { minLength: 1, maxLength: 30 })
    fc.assert(
      fc.property(graphs, fc.infiniteStream(fc.nat()), (edges, picks) => {
        const nodes = edges.map((targets, index) => {
          const needs = [...new Set(targets.filter((target) => target < index))].sort((a, b) => a - b)
          return node(
            `n${index}`,
            needs.map((need) => `n${need}`),
          )
        })
        const schedule = new Schedule(plan(...nodes))
        const done = new Set<string>()
        const running: PlanNode[] = []
        for (let rounds = 0; !schedule.finished; rounds += 1) {
          if (rounds > 100) throw new Error('the schedule stalls')
          for (const turn of schedule.turns()) {
            for (const need of turn.node.needs) expect(done.has(need)).toBe(true)
            running.push(turn.node)
          }
          const next = running.splice(picks.next().value! % running.length, 1)[0]!
          expect(done.has(next.id)).toBe(false)
          done.add(next.id)
          schedule.complete(next.id, null)
        }
        expect(done.size).toBe(nodes.length)
      }),
      { numRuns: 60 },
    )
  })
})
