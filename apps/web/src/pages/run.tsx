/** One run: its steps as a graph and as a table, live; the one cause when it failed; what a person can do about it. */
import { Button, Textarea } from '@mantine/core'
import { lazy, Suspense, useEffect, useState } from 'react'
import { Link, useParams } from 'react-router'
import { isOver, useAction, useMay, useOpenSessions, useRun } from '../api/queries.ts'
import type { RunReport, StepReport } from '../api/types.ts'
import { count, elapsed, moment } from '../parts/format.ts'
import { Icon } from '../parts/icon.tsx'
import { Bar, Command, Facts, Failure, Loaded, Page, Section, Skeleton } from '../parts/page.tsx'
import { State } from '../parts/state.tsx'

const RunGraph = lazy(() => import('./run-graph.tsx'))

export default function Run() {
  const { id = '' } = useParams()
  const run = useRun(id)
  return <Loaded query={run}>{(report) => <RunView key={id} report={report} />}</Loaded>
}

function RunView({ report }: { report: RunReport }) {
  useTick(!isOver(report.status))
  const done = report.steps.filter(({ status }) => status === 'completed' || status === 'skipped').length
  return (
    <Page
      kind="run"
      title={report.id}
      state={<State status={report.status} />}
      action={<Actions report={report} />}
      lineage={
        <>
          pipeline {report.pipeline}
          {report.temporalUrl ? (
            <>
              {' · '}
              <a href={report.temporalUrl} target="_blank" rel="noreferrer">
                Temporal UI <Icon name="out" size={13} />
              </a>
            </>
          ) : null}
        </>
      }
    >
      <Cause report={report} />
      {isOver(report.status) ? null : <Waiting report={report} />}
      <Facts
        facts={[
          ['Started', moment(report.startedAt)],
          [report.endedAt ? 'Took' : 'For', elapsed(report.startedAt, report.endedAt)],
          ['Steps', `${count(done)} of ${count(report.steps.length)}`],
        ]}
      />
      {report.steps.length ? (
        <>
          <Section title="Graph">
            <Suspense fallback={<Skeleton />}>
              <RunGraph steps={report.steps} />
            </Suspense>
          </Section>
          <Section title="Steps">
            <Steps steps={report.steps} />
          </Section>
        </>
      ) : null}
      <Section title="Parameters">
        <pre className="json">{JSON.stringify(report.params, null, 2)}</pre>
      </Section>
    </Page>
  )
}

/** Makes running times advance between the server's events. */
function useTick(running: boolean) {
  const [, setTick] = useState(0)
  useEffect(() => {
    if (!running) return
    const timer = setInterval(() => setTick((tick) => tick + 1), 1_000)
    return () => clearInterval(timer)
  }, [running])
}

function Actions({ report }: { report: RunReport }) {
  const may = useMay('run')
  const cancel = useAction(`/api/runs/${report.id}/cancel`)
  const resume = useAction(`/api/runs/${report.id}/resume`)
  if (!may) return null
  return (
    <>
      {isOver(report.status) ? null : (
        <Button variant="default" loading={cancel.isPending} onClick={() => cancel.mutate({})}>
          Cancel run
        </Button>
      )}
      {report.status === 'failed' || report.status === 'cancelled' ? (
        <Button loading={resume.isPending} onClick={() => resume.mutate({})}>
          Resume run
        </Button>
      ) : null}
      {cancel.error || resume.error ? <Failure error={cancel.error ?? resume.error} /> : null}
    </>
  )
}

/** The first step that failed on its own account; the steps after it only followed. */
function Cause({ report }: { report: RunReport }) {
  const step = report.steps.find(({ status }) => status === 'failed')
  if (report.status !== 'failed') return null
  return (
    <div className="failure" role="alert">
      <Icon name="failed" />
      <div>
        <p className="failure-title">
          {step ? `Step "${step.id}" failed` : 'The run failed'}
          {step?.code ? <code className="code">{step.code}</code> : null}
        </p>
        <p>{step?.reason ?? 'No step tells why; see the Temporal UI.'}</p>
        <p className="muted">Mend the cause, then resume: finished steps are kept.</p>
        <Command text={`gyre run resume ${report.id}`} />
      </div>
    </div>
  )
}

function Waiting({ report }: { report: RunReport }) {
  const sessions = useOpenSessions().filter(({ run }) => run === report.id)
  const approvals = report.steps.filter(({ step, status }) => step === 'approve' && status === 'waiting')
  return (
    <>
      {sessions.map(({ id, dataset }) => (
        <div className="notice" key={id}>
          <Icon name="labelling" />
          <p>This run waits for labels of {dataset}.</p>
          <Button component={Link} to={`/labelling/${id}`} size="sm">
            Label images
          </Button>
        </div>
      ))}
      {approvals.map((step) => (
        <Approval key={step.id} run={report.id} step={step} />
      ))}
    </>
  )
}

function Approval({ run, step }: { run: string; step: StepReport }) {
  const may = useMay('publish')
  const [why, setWhy] = useState('')
  const answer = useAction(`/api/runs/${run}/approvals/${step.id}`)
  return (
    <div className="notice notice-tall">
      <Icon name="waiting" />
      <div>
        <p>{step.reason ?? `Step "${step.id}" waits for an approval.`}</p>
        {may ? (
          <>
            <Textarea
              label="Why"
              description="Kept with the run"
              value={why}
              onChange={(event) => setWhy(event.currentTarget.value)}
              autosize={false}
              rows={2}
            />
            <div className="buttons">
              <Button loading={answer.isPending} onClick={() => answer.mutate({ approved: true, why })}>
                Approve
              </Button>
              <Button variant="default" onClick={() => answer.mutate({ approved: false, why })}>
                Refuse: the run fails
              </Button>
            </div>
          </>
        ) : (
          <p className="muted">Owners, engineers and operators can approve.</p>
        )}
        {answer.error ? <Failure error={answer.error} /> : null}
      </div>
    </div>
  )
}

const ORIGINS = { ran: 'ran', hit: 'from the cache', recovered: 'kept from before' } as const

function Steps({ steps }: { steps: readonly StepReport[] }) {
  return (
    <div className="table-frame" tabIndex={0} role="region" aria-label="Steps">
      <table className="steps">
        <thead>
          <tr>
            <th scope="col">Step</th>
            <th scope="col">State</th>
            <th scope="col">Progress, reason</th>
            <th scope="col" data-figures>
              Took
            </th>
            <th scope="col" data-figures data-minor>
              Attempts
            </th>
          </tr>
        </thead>
        <tbody aria-live="polite" aria-relevant="text">
          {steps.map((step) => (
            <tr key={step.id} id={`step-${step.id}`}>
              <td>
                <span className="id">{step.id}</span>
                {step.step === step.id ? null : <span className="muted step-kind">{step.step}</span>}
              </td>
              <td>
                <State status={step.status} word={step.status} />
              </td>
              <td>
                <StepProgress step={step} />
              </td>
              <td data-figures>{step.startedAt ? elapsed(step.startedAt, step.endedAt) : ''}</td>
              <td data-figures data-minor>
                {step.attempts || ''}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

function StepProgress({ step }: { step: StepReport }) {
  const { progress, status, reason, origin, outputs } = step
  if (progress && status === 'running')
    return (
      <div className="progress">
        {progress.total ? <Bar done={progress.done} total={progress.total} label={`Progress of ${step.id}`} /> : null}
        <span>
          {count(progress.done)}
          {progress.total ? ` of ${count(progress.total)}` : ''} {progress.unit}
          {progress.note ? <span className="muted"> {progress.note}</span> : null}
        </span>
        {reason ? <span className="muted">{reason}</span> : null}
      </div>
    )
  return (
    <>
      {reason ?? (origin ? <span className="muted">{ORIGINS[origin]}</span> : null)}
      {status === 'completed' && outputs !== null && outputs !== undefined ? (
        <details>
          <summary>outputs</summary>
          <pre className="json">{JSON.stringify(outputs, null, 2)}</pre>
        </details>
      ) : null}
    </>
  )
}
