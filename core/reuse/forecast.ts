/**
 * What a run would do, before it does: the same decisions over the same records, without writing any.
 *
 * F1  A node that is said to run, to be taken over or to be skipped is (nothing else changes meanwhile).
 * F2  A node is open exactly when the result of a node before it decides, which nobody can know.
 */

import { conditionRefs, holds, resolveInput, type Json, type Plan, type PlanNode } from '#core/plan'
import { readNode, runsOf, type Forecast, type NodeForecast } from '#core/runs'
import type { ObjectStore } from '#core/storage'
import { sameBasis } from './basis.ts'
import type { Lineage } from './lineage.ts'
import { decideNode, type Decision, type ResolvePorts } from './resolve.ts'

/** Runs that an estimate looks back on. */
const HISTORY = 5

/** What is known of a node after its forecast. */
interface Known {
  readonly does: NodeForecast['does']
  /** For certain. */
  readonly output?: Json
  /** If what runs before it gives what it gave before. */
  readonly assumed?: Json
  /** Whether it runs, or something before it does. */
  readonly fresh: boolean
  /** Whether a condition that nobody can know yet may leave it out. */
  readonly mayBeSkipped: boolean
}

/** @param lineage - of the run that would carry the plan out. */
export async function forecastPlan(
  ports: ResolvePorts,
  plan: Plan,
  lineage: Lineage,
): Promise<Pick<Forecast, 'nodes' | 'estimateMs'>> {
  const forecaster = new Forecaster(ports, lineage)
  const told: Omit<NodeForecast, 'estimateMs'>[] = []
  for (const node of plan.nodes) told.push(await forecaster.next(node))
  const history = await runsOf(ports.store, plan.pipeline, HISTORY)
  const nodes = await Promise.all(
    told.map(async (node) => ({
      ...node,
      estimateMs: mayRun(node) ? await medianMs(ports.store, history, node.id) : null,
    })),
  )
  return { nodes, estimateMs: longestWay(nodes) }
}

type Told = Omit<NodeForecast, 'estimateMs'>

class Forecaster {
  readonly #known = new Map<string, Known>()

  constructor(
    private readonly ports: ResolvePorts,
    private readonly lineage: Lineage,
  ) {}

  /** Nodes come in the order of the plan. */
  async next(node: PlanNode): Promise<Told> {
    const { told, known } = await this.#tell(node)
    const mayBeSkipped =
      told.does === 'open' &&
      (this.#open(readsOf(node)).length > 0 || this.#needs(node, ({ mayBeSkipped: may }) => may))
    this.#known.set(node.id, { fresh: this.#isFresh(node), mayBeSkipped, ...known, does: told.does })
    const { id, step, needs } = node
    return { id, step, needs, decidedBy: [], expected: null, ...told }
  }

  async #tell(node: PlanNode): Promise<{
    readonly told: Pick<Told, 'does' | 'because'> & Partial<Told>
    readonly known?: Partial<Known>
  }> {
    const skipped = node.needs.find((need) => this.#known.get(need)?.does === 'skip')
    if (skipped !== undefined) return { told: { does: 'skip', because: `needs ${skipped}, which is skipped` } }
    const isDecided = this.#open(readsOf(node)).length === 0
    if (node.when && isDecided && !holds(node.when, (id) => this.#output(id)))
      return { told: { does: 'skip', because: 'its condition does not hold' } }
    const open = this.#open(node.needs)
    if (open.length === 0) return this.#certain(node)
    if (isDecided && !this.#needs(node, ({ mayBeSkipped }) => mayBeSkipped) && this.#runsAnyway(node))
      return {
        told: { does: 'run', because: this.#isForced(node) ? 'asked for' : 'something before it runs' },
        known: { fresh: true },
      }
    return this.#perhaps(node, open)
  }

  async #certain(node: PlanNode) {
    const decision = await this.#decide(node)
    if (decision.kind === 'found')
      return {
        told: { does: wordOf(decision), because: decision.reason },
        known: { output: decision.output, fresh: this.#isFresh(node) },
      }
    if (decision.kind === 'invalid') return { told: { does: 'run' as const, because: `fails: ${decision.message}` } }
    return {
      told: { does: 'run' as const, because: decision.reason },
      known: { fresh: true, ...(await this.#asBefore(node, decision)) },
    }
  }

  /** What it would do if all before it gave what they gave before. */
  async #perhaps(node: PlanNode, open: readonly string[]) {
    const because = `decided by ${open.join(', ')}`
    const told = { does: 'open' as const, because, decidedBy: open }
    if (node.needs.some((need) => this.#output(need, true) === undefined)) return { told, known: { fresh: true } }
    if (node.when && !holds(node.when, (id) => this.#output(id, true)!))
      return { told: { ...told, expected: 'skip' as const }, known: { fresh: true } }
    const decision = await this.#decide(node)
    if (decision.kind === 'found')
      return { told: { ...told, expected: wordOf(decision) }, known: { assumed: decision.output, fresh: true } }
    const own = decision.kind === 'run' ? `; ${decision.reason}` : ''
    return {
      told: { ...told, because: because + own, expected: 'run' as const },
      known: { fresh: true, ...(decision.kind === 'run' ? await this.#asBefore(node, decision) : {}) },
    }
  }

  #decide(node: PlanNode): Promise<Decision> {
    const output = (id: string): Json => this.#output(id, true) ?? null
    const input = resolveInput(node.input, output)
    const given = node.map ? { over: resolveInput(node.map.over, output), input } : input
    return decideNode(this.ports, this.lineage, node, given, { ranBefore: this.#isFresh(node) })
  }

  /** A node that runs with an equal basis may well give what it gave before. */
  async #asBefore(node: PlanNode, { basis }: Extract<Decision, { kind: 'run' }>): Promise<{ readonly assumed?: Json }> {
    const { comparedWith } = this.lineage
    const before = comparedWith === null ? null : await readNode(this.ports.store, comparedWith, node.id)
    return before?.basis && sameBasis(before.basis, basis) ? { assumed: before.output } : {}
  }

  /** Whatever its inputs turn out to be (U2, U3). */
  #runsAnyway(node: PlanNode): boolean {
    if (this.#isForced(node)) return true
    return !node.policy.cache && this.#isFresh(node) && !(node.kind === 'approve' && asksOfSomething(node))
  }

  #isForced({ id }: PlanNode): boolean {
    return this.lineage.base?.forced.includes(id) ?? false
  }

  #isFresh(node: PlanNode): boolean {
    return this.#needs(node, ({ fresh }) => fresh)
  }

  #needs({ needs }: PlanNode, are: (known: Known) => boolean): boolean {
    return needs.some((need) => are(this.#known.get(need)!))
  }

  #open(ids: readonly string[]): readonly string[] {
    return [...new Set(ids)].filter((id) => this.#known.get(id)?.output === undefined)
  }

  #output(id: string, assumed: true): Json | undefined
  #output(id: string): Json
  #output(id: string, assumed = false): Json | undefined {
    const { output, assumed: likely } = this.#known.get(id)!
    if (output !== undefined) return output
    return assumed ? likely : null
  }
}

const readsOf = ({ when }: PlanNode): readonly string[] => (when ? conditionRefs(when).map(({ $ref }) => $ref) : [])

const asksOfSomething = ({ input }: PlanNode): boolean => (input as { readonly subject?: Json }).subject != null

const wordOf = ({ origin }: Extract<Decision, { kind: 'found' }>): 'hit' | 'reuse' =>
  origin === 'hit' ? 'hit' : 'reuse'

const mayRun = ({ does, expected }: Told): boolean => does === 'run' || (does === 'open' && expected !== 'skip')

/** How long a node took where it ran. */
async function medianMs(store: ObjectStore, runs: readonly string[], node: string): Promise<number | null> {
  const records = await Promise.all(runs.map((run) => readNode(store, run, node)))
  const times = records
    .filter((record) => record?.origin === 'ran')
    .map((record) => Date.parse(record!.endedAt) - Date.parse(record!.startedAt))
    .sort((a, b) => a - b)
  return times.length > 0 ? times[Math.floor((times.length - 1) / 2)]! : null
}

/** Nodes beside each other take their time together. */
function longestWay(nodes: readonly NodeForecast[]): number | null {
  if (nodes.every(({ estimateMs }) => estimateMs === null)) return null
  const ends = new Map<string, number>()
  for (const { id, needs, estimateMs, does, expected } of nodes) {
    const counts = does === 'run' || expected === 'run' || (does === 'open' && expected === null)
    ends.set(id, Math.max(0, ...needs.map((need) => ends.get(need) ?? 0)) + (counts ? (estimateMs ?? 0) : 0))
  }
  return Math.max(...ends.values())
}
