/** The steps of a run as a graph: columns by the longest way from the start, arrows for what needs what. */
import '@xyflow/react/dist/base.css'
import {
  Background,
  Controls,
  Handle,
  MarkerType,
  Position,
  ReactFlow,
  type Edge,
  type Node,
  type NodeProps,
} from '@xyflow/react'
import { useMemo } from 'react'
import type { StepReport } from '../api/types.ts'
import { Link, useSearchParams } from 'react-router'
import { count, elapsed } from '../parts/format.ts'
import { Icon } from '../parts/icon.tsx'
import { originWord, stepSearch } from './step-words.ts'
import { iconOf, toneOf, wordOf } from '../parts/state.tsx'

type StepNode = Node<{ step: StepReport }, 'step'>

const WIDTH = 136
const HEIGHT = 52
const GAP_X = 26
const GAP_Y = 20

const nodeTypes = { step: StepBox }

export default function RunGraph({ steps }: { steps: readonly StepReport[] }) {
  const places = useMemo(() => layOut(steps), [steps])
  const nodes: StepNode[] = steps.map((step) => ({
    id: step.id,
    type: 'step',
    position: places.get(step.id)!,
    data: { step },
    width: WIDTH,
    height: HEIGHT,
    focusable: false,
  }))
  const edges: Edge[] = steps.flatMap((step) =>
    step.needs.map((need) => ({
      id: `${need}>${step.id}`,
      source: need,
      target: step.id,
      focusable: false,
      className: step.status === 'running' ? 'edge-running' : 'edge',
      markerEnd: { type: MarkerType.ArrowClosed, width: 14, height: 14 },
    })),
  )
  const rows = Math.max(...[...places.values()].map(({ y }) => y)) / (HEIGHT + GAP_Y) + 1
  return (
    <div className="graph" style={{ blockSize: Math.min(420, Math.max(140, rows * (HEIGHT + GAP_Y) + 64)) }}>
      <ReactFlow
        nodes={nodes}
        edges={edges}
        nodeTypes={nodeTypes}
        fitView
        fitViewOptions={{ padding: 0.04, minZoom: 0.7, maxZoom: 1 }}
        minZoom={0.2}
        maxZoom={1.5}
        nodesDraggable={false}
        nodesConnectable={false}
        elementsSelectable={false}
        zoomOnScroll={false}
        preventScrolling={false}
        proOptions={{ hideAttribution: true }}
      >
        <Background gap={20} size={1} color="var(--line)" />
        <Controls showInteractive={false} orientation="horizontal" position="bottom-right" />
      </ReactFlow>
    </div>
  )
}

function StepBox({ data: { step } }: NodeProps<StepNode>) {
  const [search] = useSearchParams()
  const isChosen = search.get('step') === step.id
  return (
    <Link
      to={{ search: stepSearch(step.id), hash: '' }}
      preventScrollReset
      className="step-box"
      data-tone={toneOf(step.status)}
      aria-current={isChosen ? 'true' : undefined}
      title={step.reason ?? undefined}
    >
      <Handle type="target" position={Position.Left} isConnectable={false} />
      <span className="step-name">
        <Icon name={iconOf(step.status)} size={14} />
        {step.id}
      </span>
      <span className="muted">{briefly(step)}</span>
      <Handle type="source" position={Position.Right} isConnectable={false} />
    </Link>
  )
}

/** What fits into a box: how far, how long, or where the result came from. */
function briefly({ status, origin, progress, startedAt, endedAt }: StepReport): string {
  if (status === 'running' && progress?.total) return `${count(progress.done)} of ${count(progress.total)}`
  if (status === 'completed' && origin && origin !== 'ran') return originWord(origin)
  return startedAt ? elapsed(startedAt, endedAt) : wordOf(status)
}

/** Column = longest way from a start; in a column steps stand near the middle of what they need. */
function layOut(steps: readonly StepReport[]): Map<string, { x: number; y: number }> {
  const byId = new Map(steps.map((step) => [step.id, step]))
  const depths = new Map<string, number>()
  const depthOf = (id: string): number => {
    const known = depths.get(id)
    if (known !== undefined) return known
    depths.set(id, 0)
    const depth =
      Math.max(
        -1,
        ...(byId
          .get(id)
          ?.needs.filter((need) => byId.has(need))
          .map(depthOf) ?? []),
      ) + 1
    depths.set(id, depth)
    return depth
  }
  const columns: StepReport[][] = []
  for (const step of steps) (columns[depthOf(step.id)] ??= []).push(step)
  const rows = new Map<string, number>()
  const tallest = Math.max(...columns.map((column) => column.length))
  const places = new Map<string, { x: number; y: number }>()
  columns.forEach((column, x) => {
    const wish = (step: StepReport) =>
      step.needs.length ? step.needs.reduce((sum, need) => sum + (rows.get(need) ?? 0), 0) / step.needs.length : 0
    column.sort((a, b) => wish(a) - wish(b))
    column.forEach((step, index) => {
      const row = index + (tallest - column.length) / 2
      rows.set(step.id, row)
      places.set(step.id, { x: x * (WIDTH + GAP_X), y: row * (HEIGHT + GAP_Y) })
    })
  })
  return places
}
