/** One step of a run: how it ended and why, what it left, and what it says. */
import { useEffect, useRef } from 'react'
import { useSearchParams } from 'react-router'
import { useMay } from '../api/queries.ts'
import type { RunReport, StepReport } from '../api/types.ts'
import { count, elapsed, moment } from '../parts/format.ts'
import { Icon } from '../parts/icon.tsx'
import { Facts } from '../parts/page.tsx'
import { State } from '../parts/state.tsx'
import { Artifacts } from './artifacts.tsx'
import { RerunButton } from './rerun.tsx'
import { StepLog } from './step-log.tsx'
import { originWord } from './step-words.ts'

const OVER = new Set(['completed', 'failed', 'cancelled', 'skipped'])

export function StepDetail({ run, step }: { run: RunReport; step: StepReport }) {
  const [, setSearch] = useSearchParams()
  const may = useMay('run')
  const heading = useRef<HTMLHeadingElement>(null)
  useEffect(() => heading.current?.focus(), [])
  const { id, status, origin, reason, attempts, startedAt, endedAt, outputs } = step
  const close = () => setSearch({}, { preventScrollReset: true })
  return (
    <section
      className="card step-detail"
      aria-labelledby="step-title"
      onKeyDown={(event) => {
        if (event.key === 'Escape') close()
      }}
    >
      <div className="card-head">
        <h2 id="step-title" ref={heading} tabIndex={-1}>
          {id}
        </h2>
        <State status={status} />
        {step.step === id ? null : <span className="muted">{step.step}</span>}
        {may && OVER.has(run.status) ? <RerunButton run={run} step={id} /> : null}
        <button type="button" className="quiet-button step-close" aria-label={`Close ${id}`} onClick={close}>
          <Icon name="failed" />
        </button>
      </div>
      <Facts
        facts={[
          ...(origin ? ([['Result', originWord(origin)]] as const) : []),
          ...(startedAt ? ([['Began', moment(startedAt)]] as const) : []),
          ...(startedAt ? ([[endedAt ? 'Took' : 'For', elapsed(startedAt, endedAt)]] as const) : []),
          ...(attempts > 1 ? ([['Attempts', count(attempts)]] as const) : []),
        ]}
      />
      {reason ? <p>{reason}</p> : null}
      {status === 'completed' && outputs !== null && outputs !== undefined ? (
        <div className="section">
          <h3>What it left</h3>
          <Artifacts outputs={outputs} />
        </div>
      ) : null}
      <div className="section">
        <h3>What it said</h3>
        <StepLog run={run.id} step={id} live={!OVER.has(status) && !OVER.has(run.status)} />
      </div>
    </section>
  )
}
