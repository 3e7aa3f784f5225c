/** What a step says, as it says it: the newest lines stay in view until the reader scrolls up. */
import { useEffect, useRef } from 'react'
import { useStepLog } from '../api/queries.ts'
import type { LogLine } from '../api/types.ts'
import { count } from '../parts/format.ts'
import { Failure } from '../parts/page.tsx'

const LINES_AT_ONCE = 2_000
const time = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' })

export function StepLog({ run, step, live }: { run: string; step: string; live: boolean }) {
  const { lines, error } = useStepLog(run, step, live)
  const frame = useRef<HTMLDivElement>(null)
  const isAtEnd = useRef(true)
  useEffect(() => {
    if (frame.current && isAtEnd.current) frame.current.scrollTop = frame.current.scrollHeight
  }, [lines])
  if (error) return <Failure error={error} />
  if (!lines.length) return <p className="muted">{live ? 'It has said nothing yet.' : 'It said nothing.'}</p>
  const shown = lines.slice(-LINES_AT_ONCE)
  return (
    <div
      ref={frame}
      className="log"
      role="log"
      aria-label={`Log of ${step}`}
      tabIndex={0}
      onScroll={({ currentTarget: { scrollHeight, scrollTop, clientHeight } }) => {
        isAtEnd.current = scrollHeight - scrollTop - clientHeight < 8
      }}
    >
      {lines.length > shown.length ? (
        <p className="muted">
          The last {count(shown.length)} of {count(lines.length)} lines. All of them: gyre run logs {run} {step}
        </p>
      ) : null}
      {shown.map((line, index) => (
        <Line key={lines.length - shown.length + index} line={line} />
      ))}
    </div>
  )
}

function Line({ line: { at, level, text, attempt } }: { line: LogLine }) {
  return (
    <p data-level={level}>
      <time dateTime={at}>{time.format(new Date(at))}</time>
      {attempt > 1 ? <span className="muted"> attempt {attempt}</span> : null}
      {level === 'warn' || level === 'error' ? <strong> {level}</strong> : null} {text}
    </p>
  )
}
