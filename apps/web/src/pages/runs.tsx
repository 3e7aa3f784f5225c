import { useSearchParams } from 'react-router'
import { useRuns } from '../api/queries.ts'
import type { RunStatus } from '../api/types.ts'
import { count } from '../parts/format.ts'
import { Empty, Loaded, Page } from '../parts/page.tsx'
import { RunTable } from './run-table.tsx'

const STATES: readonly RunStatus[] = ['running', 'waiting', 'failed', 'completed', 'cancelled', 'queued']

export default function Runs() {
  const runs = useRuns()
  const [search, setSearch] = useSearchParams()
  const state = search.get('state')
  return (
    <Page title="Runs">
      <Loaded query={runs}>
        {(list) => {
          if (!list.length)
            return (
              <Empty title="Nothing has run yet." command="gyre pipeline run image-classifier --param source=DIR">
                A pipeline turns images into a running endpoint; each execution of it is a run.
              </Empty>
            )
          const shown = state ? list.filter(({ status }) => status === state) : list
          const number = (status: RunStatus) => list.filter((run) => run.status === status).length
          return (
            <>
              <div className="filters" role="group" aria-label="Filter by state">
                <button type="button" aria-pressed={!state} onClick={() => setSearch({})}>
                  all <span className="muted">{count(list.length)}</span>
                </button>
                {STATES.filter(number).map((status) => (
                  <button
                    key={status}
                    type="button"
                    aria-pressed={state === status}
                    onClick={() => setSearch({ state: status })}
                  >
                    {status} <span className="muted">{count(number(status))}</span>
                  </button>
                ))}
              </div>
              {shown.length ? <RunTable runs={shown} /> : <Empty title={`No run is ${state}.`} />}
            </>
          )
        }}
      </Loaded>
    </Page>
  )
}
