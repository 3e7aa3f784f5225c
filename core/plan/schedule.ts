import { holds, resolveInput } from './resolve.ts'
import type { Json, Plan, PlanNode } from './types.ts'

/** A node whose turn has come: run it with this input, or note that its condition (or a need) rules it out. */
export type Turn =
  | { readonly node: PlanNode; readonly kind: 'run'; readonly input: Json }
  | { readonly node: PlanNode; readonly kind: 'skip'; readonly reason: string }

/**
 * Which nodes may run now. Pure and deterministic: turns come in plan order, each node gets exactly one.
 *
 * P1  A node gets its turn when all its needs have completed or were skipped.
 * P2  A node with a skipped need is skipped; so is one whose condition does not hold.
 * P3  After a failure nothing new gets a turn: what runs may finish, and a resume starts from there.
 */
export class Schedule {
  readonly #outputs = new Map<string, Json>()
  readonly #skipped = new Set<string>()
  readonly #unmet = new Map<string, number>()
  readonly #dependents = new Map<string, PlanNode[]>()
  readonly #order = new Map<string, number>()
  #due: PlanNode[] = []
  #open: number
  #halted = false

  constructor(plan: Plan) {
    this.#open = plan.nodes.length
    plan.nodes.forEach((node, index) => {
      this.#order.set(node.id, index)
      this.#unmet.set(node.id, node.needs.length)
      for (const need of node.needs) this.#dependents.set(need, [...(this.#dependents.get(need) ?? []), node])
      if (node.needs.length === 0) this.#due.push(node)
    })
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

  #turn(node: PlanNode): Turn {
    const skippedNeed = node.needs.find((need) => this.#skipped.has(need))
    if (skippedNeed !== undefined) return this.#skip(node, `needs ${skippedNeed}, which was skipped`)
    const output = (id: string): Json => this.#outputs.get(id) ?? null
    if (node.when && !holds(node.when, output)) return this.#skip(node, 'its condition does not hold')
    return { node, kind: 'run', input: resolveInput(node.input, output) }
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
