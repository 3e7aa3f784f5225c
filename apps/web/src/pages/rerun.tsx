/** Re-running from a step: first what would run and what would be taken over, then the question. */
import { Button, Modal } from '@mantine/core'
import { useState } from 'react'
import { useNavigate } from 'react-router'
import { segment } from '../api/client.ts'
import { useAction, useForecast } from '../api/queries.ts'
import type { Forecast, NodeForecast, RunReport } from '../api/types.ts'
import { count, counted, duration } from '../parts/format.ts'
import { Failure, Skeleton } from '../parts/page.tsx'
import { Badge } from '../parts/state.tsx'

type Params = Readonly<Record<string, unknown>>

export function RerunButton({ run, step }: { run: RunReport; step: string }) {
  const [open, setOpen] = useState(false)
  return (
    <>
      <Button variant="default" size="sm" onClick={() => setOpen(true)}>
        Re-run from here
      </Button>
      <Modal opened={open} onClose={() => setOpen(false)} size="xl" title={`Re-run ${run.id} from ${step}`}>
        {open ? <Rerun run={run} step={step} /> : null}
      </Modal>
    </>
  )
}

function Rerun({ run, step }: { run: RunReport; step: string }) {
  const navigate = useNavigate()
  const [params, setParams] = useState<Params>({})
  const forecast = useForecast(run.id, step, params)
  const rerun = useAction<{ id: string }>(`/api/runs/${segment(run.id)}/rerun`)
  const begin = () =>
    rerun.mutate({ from: [step], params }, { onSuccess: ({ id }) => void navigate(`/runs/${segment(id)}`) })
  return (
    <>
      <p className="muted">A new run begins; this one stays as it is.</p>
      <ParamsChange params={run.params} onChange={setParams} />
      {forecast.error ? <Failure error={forecast.error} /> : null}
      {forecast.data ? <Told forecast={forecast.data} /> : forecast.error ? null : <Skeleton />}
      <div className="buttons">
        <Button disabled={!forecast.data} loading={rerun.isPending} onClick={begin}>
          {forecast.data ? `Re-run ${counted(forecast.data.nodes.filter(mayRun).length, 'step')}` : 'Re-run'}
        </Button>
      </div>
      {rerun.error ? <Failure error={rerun.error} /> : null}
    </>
  )
}

/** What an open node does depends on others; it may run. */
const mayRun = ({ does }: NodeForecast): boolean => does === 'run' || does === 'open'

const DOES = {
  run: <Badge tone="attention" icon="arrow" word="runs" />,
  hit: <Badge tone="good" icon="completed" word="from the cache" />,
  reuse: <Badge tone="good" icon="completed" word="taken over" />,
  skip: <Badge tone="quiet" icon="skipped" word="skipped" />,
  open: <Badge tone="quiet" icon="unsure" word="depends" />,
} as const

function Told({ forecast: { nodes, estimateMs } }: { forecast: Forecast }) {
  const kept = nodes.filter(({ does }) => does === 'hit' || does === 'reuse').length
  return (
    <>
      <p>
        {counted(nodes.filter(mayRun).length, 'step')} of {count(nodes.length)} may run, {counted(kept, 'result')} kept
        {estimateMs === null ? '' : `; about ${duration(estimateMs)}`}.
      </p>
      <div className="table-frame" tabIndex={0} role="region" aria-label="What each step will do">
        <table className="pairs">
          <thead>
            <tr>
              <th scope="col">Step</th>
              <th scope="col">Does</th>
              <th scope="col">Because</th>
              <th scope="col" data-figures>
                About
              </th>
            </tr>
          </thead>
          <tbody>
            {nodes.map(({ id, does, because, expected, estimateMs: about }) => (
              <tr key={id}>
                <th scope="row">{id}</th>
                <td>{DOES[does]}</td>
                <td>
                  {because}
                  {expected ? <span className="muted"> Expected: {expected}.</span> : null}
                </td>
                <td data-figures>{about === null ? '' : duration(about)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  )
}

/** The parameters as JSON; only those that were changed are sent. */
function ParamsChange({ params, onChange }: { params: unknown; onChange: (changed: Params) => void }) {
  const [text, setText] = useState(() => JSON.stringify(params, null, 2))
  const [wrong, setWrong] = useState<string | null>(null)
  const read = () => {
    try {
      onChange(changedIn(params as Params, JSON.parse(text) as Params))
      setWrong(null)
    } catch (error) {
      setWrong((error as Error).message)
    }
  }
  return (
    <details>
      <summary>Change parameters</summary>
      <div className="field">
        <label htmlFor="rerun-params">Parameters as JSON</label>
        <textarea
          id="rerun-params"
          rows={Math.min(12, text.split('\n').length + 1)}
          value={text}
          aria-invalid={wrong !== null}
          onChange={(event) => setText(event.currentTarget.value)}
          onBlur={read}
        />
        {wrong ? <p className="bad">{wrong}</p> : null}
      </div>
    </details>
  )
}

function changedIn(before: Params, after: Params): Params {
  return Object.fromEntries(
    Object.entries(after).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(before[name])),
  )
}
