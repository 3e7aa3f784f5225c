/** One run: its steps as a graph and as a table, live; what each said and left; the one cause when it failed; what a person can do about it. */
import { Button } from '@mantine/core'
import { lazy, Suspense, useEffect, useState } from 'react'
import { Link, useParams, useSearchParams } from 'react-router'
import { isOver, useAction, useApprovals, useLineage, useMay, useOpenSessions, useRun } from '../api/queries.ts'
import type { RunReport, StepReport, WaitingApproval } from '../api/types.ts'
import { count, elapsed, moment } from '../parts/format.ts'
import { Icon } from '../parts/icon.tsx'
import { Bar, Command, Facts, Failure, Loaded, Page, Section, Skeleton } from '../parts/page.tsx'
import { State } from '../parts/state.tsx'
import { Approval } from './approval.tsx'
import { StepDetail } from './run-step.tsx'
import { originWord, stepSearch } from './step-words.ts'

const RunGraph = lazy(() => import('./run-graph.tsx'))

export default function Run() {
  const { id = '' } = useParams()
  const run = useRun(id)
  return <Loaded query={run}>{(report) => <RunView key={id} report={report} />}</Loaded>
}

function RunView({ report }: { report: RunReport }) {
  useTick(!isOver(report.status))
  const [search] = useSearchParams()
  const chosen = report.steps.find(({ id }) => id === search.get('step'))
  const done = report.steps.filter(({ status }) => status === 'completed' || status === 'skipped').length
  return (
    <Page
      kind="run"
      title={report.id}
      state={<State status={report.status} />}
      action={<Actions report={report} />}
      lineage={<Origin report={report} />}
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
          {chosen ? <StepDetail key={chosen.id} run={report} step={chosen} /> : null}
          <Section title="Steps">
            <Steps steps={report.steps} />
          </Section>
        </>
      ) : null}
      <Section title="Parameters">
        <pre className="json" tabIndex={0}>
          {JSON.stringify(report.params, null, 2)}
        </pre>
      </Section>
    </Page>
  )
}

/** From what, by whom, and what came of it. */
function Origin({ report: { id, pipeline, temporalUrl } }: { report: RunReport }) {
  const lineage = useLineage(id).data
  return (
    <>
      pipeline {pipeline}
      {lineage?.cause ? `, started by ${lineage.cause.trigger}: ${lineage.cause.text}` : null}
      {lineage && !lineage.cause ? `, started by ${lineage.by}` : null}
      {lineage?.basedOn ? (
        <>
          {` · ${lineage.basedOn.kind} of `}
          <Link to={`/runs/${lineage.basedOn.run}`}>{lineage.basedOn.run}</Link>
        </>
      ) : null}
      {lineage?.derived.map((run) => (
        <span key={run.id}>
          {` · ${run.kind}: `}
          <Link to={`/runs/${run.id}`}>{run.id}</Link>
        </span>
      ))}
      {' · '}
      <Link to={`/runs/${id}/compare${lineage?.basedOn ? `/${lineage.basedOn.run}` : ''}`}>compare</Link>
      {temporalUrl ? (
        <>
          {' · '}
          <a href={temporalUrl} target="_blank" rel="noreferrer">
            Temporal UI <Icon name="out" size={13} />
          </a>
        </>
      ) : null}
    </>
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
        <p className="muted">
          Mend the cause, then resume: finished steps are kept.{' '}
          {step ? <Link to={{ search: stepSearch(step.id) }}>What {step.id} said</Link> : null}
        </p>
        <Command text={`gyre run resume ${report.id}`} />
      </div>
    </div>
  )
}

function Waiting({ report }: { report: RunReport }) {
  const sessions = useOpenSessions().filter(({ run }) => run === report.id)
  const approvals = useOpenApprovals(report)
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
      {approvals.map((approval) => (
        <Approval key={approval.node} approval={approval} />
      ))}
    </>
  )
}

/** What waits for people here; of a run that an earlier release began, the step alone tells. */
function useOpenApprovals(report: RunReport): readonly WaitingApproval[] {
  const may = useMay('publish')
  const asked = useApprovals()
  const known = asked.data?.filter(({ run }) => run === report.id) ?? []
  const untold = report.steps.filter(
    ({ id, step, status }) => step === 'approve' && status === 'waiting' && !known.some(({ node }) => node === id),
  )
  if (!asked.data) return []
  return [...known, ...untold.map((step) => plainApproval(report, step, may))]
}

function plainApproval(
  { id: run, pipeline }: RunReport,
  { id: node, reason }: StepReport,
  may: boolean,
): WaitingApproval {
  return {
    ...{
      run,
      node,
      pipeline,
      question: reason ?? `Step "${node}" waits for an approval.`,
      subject: null,
      approvals: 1,
    },
    ...{ asked: [], escalated: false, answers: [], form: null, deadlineAt: null, onDeadline: 'fail', mayAnswer: may },
  }
}

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
                <Link className="id" to={{ search: stepSearch(step.id) }} preventScrollReset>
                  {step.id}
                </Link>
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

function StepProgress({ step: { id, progress, status, reason, origin } }: { step: StepReport }) {
  if (progress && status === 'running')
    return (
      <div className="progress">
        {progress.total ? <Bar done={progress.done} total={progress.total} label={`Progress of ${id}`} /> : null}
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
      {origin ? <span className="muted">{originWord(origin)}</span> : null}
      {origin && reason ? <span className="muted">: </span> : null}
      {reason}
    </>
  )
}
