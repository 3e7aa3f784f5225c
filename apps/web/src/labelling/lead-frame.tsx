/** The frame of all that is said of one session: labelling it, leading it, its images by likeness. */
import { NavLink, Link } from 'react-router'
import type { ReactNode } from 'react'
import { segment } from '../api/client.ts'
import type { Session } from '../api/types.ts'
import { count, percent, short } from '../parts/format.ts'
import { SessionBadge } from '../pages/sessions.tsx'
import { left } from './left.ts'

const PLACES = [
  ['', 'Label'],
  ['/lead', 'Lead'],
  ['/map', 'Map'],
] as const

export function LeadHead({ session, action }: { session: Session; action?: ReactNode }) {
  const { id, dataset, version, run, state, targetAccuracy, overlap } = session
  return (
    <header className="dataset-head lead-head">
      <div className="page-title">
        <h1>
          <span className="page-kind">labelling </span>
          {dataset}
        </h1>
        <SessionBadge status={state.status} />
        {action}
      </div>
      <p className="lineage dataset-facts">
        <span>
          {count(state.labelled)} of {count(state.images)} labelled
        </span>
        <span>
          {state.certified ? `certified ≥ ${percent(state.certified.atLeast)} right` : 'nothing certified yet'}, aim{' '}
          {percent(targetAccuracy)}
        </span>
        <span>left: {left(state)}</span>
        {overlap > 1 ? <span>each image by {overlap} people</span> : null}
        <span>
          from{' '}
          <Link to={`/datasets/${dataset}?ref=${version}`}>
            <code>{short(version)}</code>
          </Link>
          {run ? (
            <>
              {' '}
              in <Link to={`/runs/${run}`}>{run}</Link>
            </>
          ) : null}
        </span>
      </p>
      <nav className="tabs" aria-label="Session">
        {PLACES.map(([place, name]) => (
          <NavLink key={name} to={`/labelling/${segment(id)}${place}`} end>
            {name}
          </NavLink>
        ))}
      </nav>
    </header>
  )
}
