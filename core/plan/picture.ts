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

/** The DAG as a Markdown table, in plan order: what the Temporal UI shows as current details. */
export function markdownOf(plan: Plan, state: (id: string) => NodeState): string {
  const rows = plan.nodes.map((node) => {
    const { status, seconds, reason } = state(node.id)
    const time = seconds === null ? '' : `${seconds.toFixed(1)} s`
    return `| ${MARK[status] ?? ''} ${status} | **${node.id}** | ${node.step} | ${node.needs.join(', ')} | ${time} | ${cell(reason ?? '')} |`
  })
  return [
    `### ${plan.pipeline}`,
    '',
    '| state | node | step | needs | time | why |',
    '|---|---|---|---|---|---|',
    ...rows,
  ].join('\n')
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
