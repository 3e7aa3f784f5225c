import type { RunStatus, RunSummary, WaitingApproval } from '../api/types.ts'
import { elapsed, moment } from '../parts/format.ts'
import { useApprovals } from '../api/queries.ts'
import { State } from '../parts/state.tsx'
import { Table } from '../parts/table.tsx'

interface RunTableProps {
  readonly runs: readonly RunSummary[]
  /** Where a row leads; to the run where left out. */
  readonly to?: (run: RunSummary) => string
}

export function RunTable({ runs, to = ({ id }) => `/runs/${id}` }: RunTableProps) {
  const approvals = useApprovals().data ?? []
  return (
    <Table
      label="Runs"
      rows={runs}
      keyOf={({ id }) => id}
      to={to}
      columns={[
        { title: 'Run', cell: ({ id }) => <span className="id">{id}</span> },
        { title: 'State', cell: ({ id, status }) => <RunState status={status} question={questionOf(approvals, id)} /> },
        { title: 'Pipeline', cell: ({ pipeline }) => pipeline, minor: true },
        { title: 'Started', cell: ({ startedAt }) => moment(startedAt), figures: true, minor: true },
        { title: 'Took', cell: ({ startedAt, endedAt }) => elapsed(startedAt, endedAt), figures: true },
      ]}
    />
  )
}

function questionOf(approvals: readonly WaitingApproval[], run: string): string | null {
  return approvals.find((approval) => approval.run === run)?.question ?? null
}

function RunState({ status, question }: { status: RunStatus; question: string | null }) {
  return (
    <>
      <State status={status} word={status} />
      {question ? <span className="question">{question}</span> : null}
    </>
  )
}
