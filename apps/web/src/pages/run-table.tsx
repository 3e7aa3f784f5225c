import type { RunSummary } from '../api/types.ts'
import { elapsed, moment } from '../parts/format.ts'
import { State } from '../parts/state.tsx'
import { Table } from '../parts/table.tsx'

export function RunTable({ runs }: { runs: readonly RunSummary[] }) {
  return (
    <Table
      label="Runs"
      rows={runs}
      keyOf={({ id }) => id}
      to={({ id }) => `/runs/${id}`}
      columns={[
        { title: 'Run', cell: ({ id }) => <span className="id">{id}</span> },
        { title: 'State', cell: ({ status }) => <State status={status} word={status} /> },
        { title: 'Pipeline', cell: ({ pipeline }) => pipeline, minor: true },
        { title: 'Started', cell: ({ startedAt }) => moment(startedAt), figures: true, minor: true },
        { title: 'Took', cell: ({ startedAt, endedAt }) => elapsed(startedAt, endedAt), figures: true },
      ]}
    />
  )
}
