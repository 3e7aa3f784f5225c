import { useSessions } from '../api/queries.ts'
import type { SessionState } from '../api/types.ts'
import { left } from '../labelling/left.ts'
import { count, percent } from '../parts/format.ts'
import { Bar, Empty, Loaded, Page } from '../parts/page.tsx'
import { Badge } from '../parts/state.tsx'
import { Table } from '../parts/table.tsx'

export default function Sessions() {
  return (
    <Page title="Labelling">
      <Loaded query={useSessions()}>
        {(sessions) =>
          sessions.length ? (
            <Table
              label="Labelling sessions"
              rows={sessions}
              keyOf={({ id }) => id}
              to={({ id }) => `/labelling/${id}`}
              columns={[
                { title: 'Dataset', cell: ({ dataset }) => <span className="id">{dataset}</span> },
                { title: 'State', cell: ({ state }) => <SessionBadge status={state.status} /> },
                {
                  title: 'Labelled',
                  cell: ({ id, state }) => (
                    <span className="bar-cell">
                      <Bar done={state.labelled} total={state.images} label={`Labelled images of ${id}`} />
                      {count(state.labelled)} of {count(state.images)}
                    </span>
                  ),
                  figures: true,
                },
                {
                  title: 'Certified',
                  cell: ({ state }) => (state.certified ? `≥ ${percent(state.certified.atLeast)}` : 'not yet'),
                  figures: true,
                },
                { title: 'Left', cell: ({ state }) => left(state), minor: true },
                { title: 'People', cell: ({ state }) => count(state.people), figures: true, minor: true },
                { title: 'Session', cell: ({ id }) => <code>{id}</code>, minor: true },
              ]}
            />
          ) : (
            <Empty title="Nothing to label." command="./gyre demo --annotator web">
              A run whose pipeline has an annotate step opens a session here, and goes on when the labelling is done.
            </Empty>
          )
        }
      </Loaded>
    </Page>
  )
}

export function SessionBadge({ status }: { status: SessionState['status'] }) {
  if (status === 'open') return <Badge tone="attention" icon="labelling" word="open" />
  if (status === 'certified') return <Badge tone="good" icon="completed" word="certified" />
  return <Badge tone="quiet" icon={status === 'stopped' ? 'cancelled' : 'completed'} word={status} />
}
