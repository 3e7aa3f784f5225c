/** What every page is made of: a title with its state and its one main action, facts, and what to show while there is nothing. */
import type { UseQueryResult } from '@tanstack/react-query'
import { useEffect, useState, type ReactNode } from 'react'
import { Link } from 'react-router'
import { ApiProblem } from '../api/client.ts'
import { Icon } from './icon.tsx'

interface PageProps {
  readonly title: string
  /** Set where the title alone does not say what it is, as in `run`. */
  readonly kind?: string
  readonly state?: ReactNode
  readonly action?: ReactNode
  readonly lineage?: ReactNode
  readonly children: ReactNode
}

export function Page({ title, kind, state, action, lineage, children }: PageProps) {
  useEffect(() => {
    document.title = `${title} · Gyre`
  }, [title])
  return (
    <div className="page">
      <header className="page-head">
        <div className="page-title">
          <h1>
            {kind ? <span className="page-kind">{kind} </span> : null}
            {title}
          </h1>
          {state}
        </div>
        {action ? <div className="page-action">{action}</div> : null}
        {lineage ? <p className="lineage">{lineage}</p> : null}
      </header>
      {children}
    </div>
  )
}

export function Section({ title, aside, children }: { title: string; aside?: ReactNode; children: ReactNode }) {
  return (
    <section className="section">
      <div className="section-head">
        <h2>{title}</h2>
        {aside}
      </div>
      {children}
    </section>
  )
}

/** The two to six figures that decide. */
export function Facts({ facts }: { facts: readonly (readonly [label: string, value: ReactNode])[] }) {
  return (
    <dl className="facts">
      {facts.map(([label, value]) => (
        <div key={label}>
          <dt>{label}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  )
}

/** An empty place that teaches how it is filled. */
export function Empty({ title, command, children }: { title: string; command?: string; children?: ReactNode }) {
  return (
    <div className="empty">
      <p className="empty-title">{title}</p>
      {children ? <div className="empty-text">{children}</div> : null}
      {command ? <Command text={command} /> : null}
    </div>
  )
}

/** A command to type, on a line of its own, with one press to copy it. */
export function Command({ text }: { text: string }) {
  const [copied, setCopied] = useState(false)
  const copy = () => {
    void navigator.clipboard?.writeText(text).then(() => setCopied(true))
  }
  return (
    <div className="command">
      <code>{text}</code>
      <button type="button" className="quiet-button" onClick={copy} aria-label={`Copy: ${text}`}>
        <Icon name={copied ? 'completed' : 'copy'} />
      </button>
    </div>
  )
}

/** One clear cause, and what to do. */
export function Failure({ error, title }: { error: unknown; title?: string }) {
  const problem = error instanceof ApiProblem ? error : null
  return (
    <div className="failure" role="alert">
      <Icon name="failed" />
      <div>
        {title ? <p className="failure-title">{title}</p> : null}
        <p>{error instanceof Error ? error.message : String(error)}</p>
        {problem?.remedy ? <p className="muted">{problem.remedy}</p> : null}
      </div>
    </div>
  )
}

/** Shows the data when it is there; a skeleton only for what takes longer than a glance. */
export function Loaded<T>({ query, children }: { query: UseQueryResult<T>; children: (data: T) => ReactNode }) {
  if (query.data !== undefined) return children(query.data)
  if (query.error) return <Failure error={query.error} />
  return <Skeleton />
}

export function Skeleton() {
  const [late, setLate] = useState(false)
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), 300)
    return () => clearTimeout(timer)
  }, [])
  return (
    <div className="skeleton" aria-busy="true" data-late={late}>
      <span className="visually-hidden">Loading</span>
    </div>
  )
}

/** From what, to what. */
export function Lineage({ links }: { links: readonly (readonly [label: string, text: string, to: string])[] }) {
  return links.map(([label, text, to], index) => (
    <span key={`${label}${to}`}>
      {index ? ' · ' : ''}
      {label} <Link to={to}>{text}</Link>
    </span>
  ))
}

export function Bar({ done, total, label }: { done: number; total: number; label: string }) {
  const share = total > 0 ? Math.min(1, done / total) : 0
  return (
    <div
      className="bar"
      role="progressbar"
      aria-label={label}
      aria-valuemin={0}
      aria-valuemax={total}
      aria-valuenow={done}
    >
      <span style={{ inlineSize: `${share * 100}%` }} />
    </div>
  )
}
