import { holds, resolveInput } from './resolve.ts'
import type { Json, Plan, PlanNode } from './types.ts'

/** A node whose turn has come: run it with this input, or note that its condition (or a need) rules it out. */
export type Turn =
  | { readonly node: PlanNode; readonly kind: 'run'; readonly input: Json }
  | { readonly node: PlanNode; readonly kind: 'skip'; readonly reason: string }

/** A plan half way, as far as the walk from here on depends on it. */
export interface ScheduleState {
  /** Nodes whose turn has come and that nobody has acted upon. */
  readonly ready: readonly string[]
  /** Outputs of nodes that have completed, as far as nodes without a turn or those of `ready` still read them. */
  readonly outputs: Readonly<Record<string, Json>>
  /** Nodes that were skipped, as far as nodes without a turn need them. */
  readonly skipped: readonly string[]
}

/**
 * Which nodes may run now. Pure and deterministic: turns come in plan order, each node gets exactly one.
 *
 * P1  A node gets its turn when all its needs have completed or were skipped.
 * P2  A node with a skipped need is skipped; so is one whose condition does not hold.
 * P3  After a failure nothing new gets a turn: what runs may finish, and a resume starts from there.
 */
export class Schedule {
  readonly #plan: Plan
  readonly #turned = new Set<string>()
  readonly #outputs = new Map<string, Json>()
  readonly #skipped = new Set<string>()
  readonly #unmet = new Map<string, number>()
  readonly #dependents = new Map<string, PlanNode[]>()
  readonly #order = new Map<string, number>()
  #due: PlanNode[] = []
  #open: number
  #halted = false

  /** @param state - where to go on from; nodes beside `ready` get a turn only after one of their needs has closed here. */
  constructor(plan: Plan, state?: ScheduleState) {
    this.#plan = plan
    this.#open = plan.nodes.length
    for (const [id, output] of Object.entries(state?.outputs ?? {})) this.#outputs.set(id, output)
    for (const id of state?.skipped ?? []) this.#skipped.add(id)
    const ready = new Set(state?.ready)
    plan.nodes.forEach((node, index) => {
      this.#order.set(node.id, index)
      const unmet = node.needs.filter((need) => !this.#isClosed(need)).length
      this.#unmet.set(node.id, unmet)
      for (const need of node.needs) {
        const dependents = this.#dependents.get(need)
        if (dependents) dependents.push(node)
        else this.#dependents.set(need, [node])
      }
      if (state ? ready.has(node.id) : unmet === 0) this.#due.push(node)
      if (this.#isClosed(node.id)) this.#open -= 1
    })
  }

  /** From which another schedule goes on with these nodes, whose turns were given here. */
  stateWith(ready: readonly string[]): ScheduleState {
    const wanted = new Set<string>()
    const isReady = new Set(ready)
    for (const { id, needs } of this.#plan.nodes)
      if (isReady.has(id) || !this.#turned.has(id)) for (const need of needs) wanted.add(need)
    const outputs = [...wanted].filter((id) => this.#outputs.has(id)).map((id) => [id, this.#outputs.get(id)!] as const)
    return { ready, outputs: Object.fromEntries(outputs), skipped: [...wanted].filter((id) => this.#skipped.has(id)) }
  }

  /** Nodes that get their turn as soon as this one completes, and are not skipped then for what they need. */
  waitingOnlyFor(id: string): readonly PlanNode[] {
    return (this.#dependents.get(id) ?? []).filter(
      (node) => this.#unmet.get(node.id) === 1 && !node.needs.some((need) => this.#skipped.has(need)),
    )
  }

  /** The turns that have come since the last call. */
  turns(): readonly Turn[] {
    const turns: Turn[] = []
    while (this.#due.length > 0 && !this.#halted) {
      const due = this.#due.sort((a, b) => this.#order.get(a.id)! - this.#order.get(b.id)!)
      this.#due = []
      for (const node of due) turns.push(this.#turn(node))
    }
    return turns
  }

  complete(id: string, output: Json): void {
    this.#outputs.set(id, output)
    this.#close(id)
  }

  /** Stops giving turns (P3). */
  halt(): void {
    this.#halted = true
  }

  /** Whether every node has completed or was skipped. */
  get finished(): boolean {
    return this.#open === 0
  }

  #isClosed(id: string): boolean {
    return this.#outputs.has(id) || this.#skipped.has(id)
  }

  #turn(node: PlanNode): Turn {
    this.#turned.add(node.id)
    const skippedNeed = node.needs.find((need) => this.#skipped.has(need))
    if (skippedNeed !== undefined) return this.#skip(node, `needs ${skippedNeed}, which was skipped`)
    const output = (id: string): Json => this.#outputs.get(id) ?? null
    if (node.when && !holds(node.when, output)) return this.#skip(node, 'its condition does not hold')
    const input = resolveInput(node.input, output)
    // Of a map: the items, and the input of each with the item left open.
    return { node, kind: 'run', input: node.map ? { over: resolveInput(node.map.over, output), input } : input }
  }

  #skip(node: PlanNode, reason: string): Turn {
    this.#skipped.add(node.id)
    this.#close(node.id)
    return { node, kind: 'skip', reason }
  }

  #close(id: string): void {
    this.#open -= 1
    for (const dependent of this.#dependents.get(id) ?? []) {
      const left = this.#unmet.get(dependent.id)! - 1
      this.#unmet.set(dependent.id, left)
      if (left === 0) this.#due.push(dependent)
    }
  }
}
