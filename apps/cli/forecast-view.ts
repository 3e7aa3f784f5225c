/** What a run would do, as a table for a terminal or as Markdown for a pull request. */
import pc from 'picocolors'
import type { Forecast, NodeForecast } from '#core/runs'
import { table } from './table.ts'
import { counted, duration } from './words.ts'

const WORDS = { run: 'runs', hit: 'hit', reuse: 'reused', skip: 'skipped' } as const
const PAINT = { run: pc.cyan, hit: pc.green, reuse: pc.green, skip: pc.dim, open: pc.yellow } as const

/** "runs", "hit"; of a node that others decide, what it does where they give what they gave before: "likely hit". */
export function willText({ does, expected }: NodeForecast): string {
  if (does !== 'open') return WORDS[does]
  return expected === null ? 'open' : `likely ${WORDS[expected]}`
}

/** @param aside - more of a node, by its id: when it runs at all. */
export function forecastTable({ nodes }: Forecast, aside: ReadonlyMap<string, string> = new Map()): string {
  return table(
    ['id', 'step', 'will', 'about', 'because'],
    nodes.map((node) => [node.id, node.step, PAINT[node.does](willText(node)), about(node), whyText(node, aside)]),
    'No steps.',
  )
}

/** One line: how many do what, and how long that takes. */
export function forecastSummary({ nodes, removed, estimateMs }: Forecast): string {
  const kinds = { run: 'to run', open: 'decided on the way', hit: 'hit', reuse: 'reused', skip: 'skipped' } as const
  const counts = Object.entries(kinds)
    .map(([kind, words]) => [nodes.filter(({ does }) => does === kind).length, words] as const)
    .filter(([number]) => number > 0)
    .map(([number, words]) => `${number} ${words}`)
  const gone = removed.length > 0 ? [`no longer there: ${removed.join(', ')}`] : []
  return [...counts, ...gone, ...(estimateMs === null ? [] : [`about ${duration(estimateMs)}`])].join(', ')
}

export function forecastMarkdown(forecast: Forecast, aside: ReadonlyMap<string, string> = new Map()): string {
  const { pipeline, against, nodes } = forecast
  const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ')
  const rows = nodes.map((node) => {
    const will = node.does === 'run' ? `**${willText(node)}**` : willText(node)
    return `| ${[`\`${node.id}\``, will, about(node), whyText(node, aside)].map(cell).join(' | ')} |`
  })
  return [
    `### Plan of ${pipeline}${against ? `, compared with \`${against}\`` : ''}`,
    '',
    `${counted(nodes.length, 'step')}: ${forecastSummary(forecast)}.`,
    '',
    '| step | will | about | because |',
    '| --- | --- | --- | --- |',
    ...rows,
  ].join('\n')
}

const about = ({ estimateMs }: NodeForecast): string => (estimateMs === null ? '–' : duration(estimateMs))

function whyText({ id, because }: NodeForecast, aside: ReadonlyMap<string, string>): string {
  const more = aside.get(id)
  return more === undefined ? because : `${because}; ${more}`
}
