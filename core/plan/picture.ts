import type { Condition, Plan, PlanNode } from './types.ts'

/** What a picture of a run says beside each node. */
export interface NodeState {
  readonly status: string
  readonly seconds: number | null
  readonly reason: string | null
}

const MARK: Readonly<Record<string, string>> = {
  queued: '○',
  running: '▶',
  waiting: '◇',
  completed: '✓',
  failed: '✗',
  cancelled: '–',
  skipped: '·',
}

/** The DAG as a Markdown table, in plan order: what the Temporal UI shows as current details. A change costs one row. */
export class MarkdownPicture {
  readonly #title: string
  readonly #nodes: ReadonlyMap<string, PlanNode>
  readonly #rows = new Map<string, string>()

  constructor({ pipeline, nodes }: Plan) {
    this.#title = `### ${pipeline}`
    this.#nodes = new Map(nodes.map((node) => [node.id, node]))
    for (const { id } of nodes) this.set(id, { status: 'queued', seconds: null, reason: null })
  }

  set(id: string, { status, seconds, reason }: NodeState): void {
    const { step, needs } = this.#nodes.get(id)!
    const time = seconds === null ? '' : `${seconds.toFixed(1)} s`
    const cells = [`${MARK[status] ?? ''} ${status}`, `**${id}**`, step, needs.join(', '), time, cell(reason ?? '')]
    this.#rows.set(id, `| ${cells.join(' | ')} |`)
  }

  text(): string {
    const head = ['| state | node | step | needs | time | why |', '|---|---|---|---|---|---|']
    return [this.#title, '', ...head, ...this.#rows.values()].join('\n')
  }
}

/** The DAG as a Mermaid flow chart. */
export function mermaidOf(plan: Plan): string {
  const name = (node: PlanNode): string => `n${plan.nodes.indexOf(node)}`
  const byId = new Map(plan.nodes.map((node) => [node.id, node]))
  const lines = plan.nodes.map(
    (node) =>
      `  ${name(node)}["${node.id}<br/>${node.step}${node.when ? `<br/>when ${conditionText(node.when)}` : ''}"]`,
  )
  const edges = plan.nodes.flatMap((node) => node.needs.map((need) => `  ${name(byId.get(need)!)} --> ${name(node)}`))
  return ['flowchart TD', ...lines, ...edges].join('\n')
}

export function conditionText(condition: Condition): string {
  switch (condition.kind) {
    case 'is':
      return [condition.ref.$ref, ...condition.ref.path].join('.')
    case 'at-least':
      return `${[condition.ref.$ref, ...condition.ref.path].join('.')} ≥ ${condition.bound}`
    case 'not':
      return `not ${conditionText(condition.of)}`
    case 'all':
    case 'any':
      // Of a value that was known at submit.
      if (condition.of.length === 0) return condition.kind === 'all' ? 'always' : 'never'
      return `(${condition.of.map(conditionText).join(condition.kind === 'all' ? ' and ' : ' or ')})`
  }
}

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ')
