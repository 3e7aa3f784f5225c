/** Two runs side by side: parameters, figures, durations; what differs, and why. */
import { Link, useNavigate, useParams } from 'react-router'
import { useComparison, useRun, useRuns } from '../api/queries.ts'
import type { Pair, RunComparison, RunHead, RunSummary, StepComparison } from '../api/types.ts'
import { duration, elapsed, figure, moment } from '../parts/format.ts'
import { Empty, Loaded, Page, Section } from '../parts/page.tsx'
import { Badge, State } from '../parts/state.tsx'
import { originWord } from './step-words.ts'
import { RunTable } from './run-table.tsx'

export default function Compare() {
  const { id = '', other } = useParams()
  return other ? <Comparison key={`${id} ${other}`} a={id} b={other} /> : <Choose run={id} />
}

/** Other runs of the same pipeline, newest first. */
function useSiblings(run: string): readonly RunSummary[] {
  const runs = useRuns().data ?? []
  const pipeline = useRun(run).data?.pipeline
  return runs.filter((one) => one.pipeline === pipeline && one.id !== run)
}

function Choose({ run }: { run: string }) {
  const siblings = useSiblings(run)
  return (
    <Page kind="compare" title={run}>
      <Section title="With which run?">
        {siblings.length ? (
          <RunTable runs={siblings} to={({ id }) => `/runs/${run}/compare/${id}`} />
        ) : (
          <Empty title="No other run of this pipeline." />
        )}
      </Section>
    </Page>
  )
}

function Comparison({ a, b }: { a: string; b: string }) {
  return (
    <Page
      kind="compare"
      title={`${a} and ${b}`}
      action={<OtherRun run={a} other={b} />}
      lineage={<Link to={`/runs/${b}/compare/${a}`}>the other way round</Link>}
    >
      <Loaded query={useComparison(a, b)}>{(comparison) => <Differences comparison={comparison} />}</Loaded>
    </Page>
  )
}

function OtherRun({ run, other }: { run: string; other: string }) {
  const navigate = useNavigate()
  const siblings = useSiblings(run)
  return (
    <label className="chooser-label">
      with{' '}
      <select value={other} onChange={(event) => void navigate(`/runs/${run}/compare/${event.currentTarget.value}`)}>
        {siblings.some(({ id }) => id === other) ? null : <option>{other}</option>}
        {siblings.map(({ id }) => (
          <option key={id}>{id}</option>
        ))}
      </select>
    </label>
  )
}

function Differences({ comparison: { a, b, samePlan, params, steps } }: { comparison: RunComparison }) {
  const changed = params.filter(differs)
  const different = steps.filter(({ output }) => output === 'different')
  const figures = steps.flatMap((step) =>
    step.figures.filter(differs).map((pair) => ({ ...pair, name: `${step.name}.${pair.name}` })),
  )
  return (
    <>
      <p className="empty-title">
        {different.length
          ? `${different.map(({ name }) => name).join(', ')} gave something else.`
          : 'Every step that both completed gave the same.'}
      </p>
      <Heads a={a} b={b} />
      <Section title="Parameters" aside={samePlan ? <span className="muted">the same plan</span> : null}>
        {changed.length ? (
          <Pairs label="Parameters" a={a} b={b} rows={changed} text={(value) => JSON.stringify(value)} />
        ) : (
          <p className="muted">The same{params.length ? `: ${params.map(({ name }) => name).join(', ')}` : ''}.</p>
        )}
      </Section>
      {figures.length ? (
        <Section title="Figures">
          <Pairs label="Figures" a={a} b={b} rows={figures} text={figure} change={changeText} />
        </Section>
      ) : null}
      <Section title="Steps">
        <Steps a={a} b={b} steps={steps} />
      </Section>
    </>
  )
}

const differs = ({ a, b }: Pair<unknown>): boolean => JSON.stringify(a) !== JSON.stringify(b)

function Heads({ a, b }: { a: RunHead; b: RunHead }) {
  return (
    <ul className="heads">
      {[a, b].map((run) => (
        <li key={run.id} className="card">
          <div className="card-head">
            <Link to={`/runs/${run.id}`} className="id">
              {run.id}
            </Link>
            <State status={run.status} />
          </div>
          <p className="muted">
            {run.pipeline}, {moment(run.startedAt)}, {elapsed(run.startedAt, run.endedAt)}, by {run.by}
          </p>
        </li>
      ))}
    </ul>
  )
}

interface PairsProps<T> {
  readonly label: string
  readonly a: RunHead
  readonly b: RunHead
  readonly rows: readonly Pair<T>[]
  readonly text: (value: T) => string
  readonly change?: (row: Pair<T>) => string
}

function Pairs<T>({ label, a, b, rows, text, change }: PairsProps<T>) {
  return (
    <div className="table-frame" tabIndex={0} role="region" aria-label={label}>
      <table className="pairs">
        <thead>
          <tr>
            <th scope="col">{label === 'Figures' ? 'Figure' : 'Parameter'}</th>
            <th scope="col">{a.id}</th>
            <th scope="col">{b.id}</th>
            {change ? (
              <th scope="col" data-figures>
                Change
              </th>
            ) : null}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.name}>
              <th scope="row">{row.name}</th>
              <td>{row.a === null ? '–' : text(row.a)}</td>
              <td>{row.b === null ? '–' : text(row.b)}</td>
              {change ? <td data-figures>{change(row)}</td> : null}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

function changeText({ a, b }: Pair<number>): string {
  if (a === null || b === null) return ''
  const share = a === 0 ? '' : ` (${b > a ? '+' : '−'}${((Math.abs(b - a) / Math.abs(a)) * 100).toFixed(1)} %)`
  return `${b > a ? '+' : '−'}${figure(Math.abs(b - a))}${share}`
}

const OUTPUTS = {
  same: <Badge tone="quiet" icon="completed" word="same" />,
  different: <Badge tone="attention" icon="attention" word="different" />,
  open: <Badge tone="quiet" icon="queued" word="not in both" />,
} as const

function Steps({ a, b, steps }: { a: RunHead; b: RunHead; steps: readonly StepComparison[] }) {
  return (
    <div className="table-frame" tabIndex={0} role="region" aria-label="Steps">
      <table className="pairs">
        <thead>
          <tr>
            <th scope="col">Step</th>
            <th scope="col">Output</th>
            <th scope="col">Why</th>
            <th scope="col">{a.id}</th>
            <th scope="col">{b.id}</th>
          </tr>
        </thead>
        <tbody>
          {steps.map((step) => (
            <tr key={step.name}>
              <th scope="row">{step.name}</th>
              <td>{OUTPUTS[step.output]}</td>
              <td>
                {step.why.map((reason) => (
                  <p key={reason}>{reason}</p>
                ))}
              </td>
              <td>{sideText(step.a)}</td>
              <td>{sideText(step.b)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

function sideText(side: StepComparison['a']): string {
  if (!side) return '–'
  const word = side.status === 'completed' ? originWord(side.origin) : side.status
  return side.tookMs === null ? word : `${word}, ${duration(side.tookMs)}`
}
