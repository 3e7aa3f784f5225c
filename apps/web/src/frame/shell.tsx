/** The frame round every page: the rail, the address as a breadcrumb, and the way to anything by Ctrl-K. */
import { useState } from 'react'
import { Link, NavLink, Outlet, ScrollRestoration, useLocation } from 'react-router'
import { ApiProblem } from '../api/client.ts'
import { useMe, useOpenSessions, useRuns } from '../api/queries.ts'
import { Icon, type IconName } from '../parts/icon.tsx'
import { Failure } from '../parts/page.tsx'
import { Palette, usePaletteKey } from './palette.tsx'
import { LoggedOut } from './logged-out.tsx'

export const PLACES: readonly (readonly [to: string, name: string, icon: IconName])[] = [
  ['/', 'Home', 'home'],
  ['/datasets', 'Datasets', 'datasets'],
  ['/labelling', 'Labelling', 'labelling'],
  ['/runs', 'Runs', 'runs'],
  ['/models', 'Models', 'models'],
  ['/endpoints', 'Endpoints', 'endpoints'],
  ['/tasks', 'Tasks', 'tasks'],
  ['/settings', 'Settings', 'settings'],
]

export function Shell() {
  const me = useMe()
  const [searching, setSearching] = useState(false)
  usePaletteKey(() => setSearching(true))
  const { pathname } = useLocation()
  if (me.error instanceof ApiProblem && me.error.status === 401) return <LoggedOut spent={pathname === '/welcome'} />
  // Labelling wants the whole window: the rail keeps its icons only.
  const narrow = /^\/labelling\/[^/]+$/.test(pathname)
  return (
    <div className="frame" data-narrow={narrow}>
      <a className="skip" href="#content">
        Skip to content
      </a>
      <Rail />
      <div className="main">
        <div className="top">
          <Crumbs pathname={pathname} />
          <button type="button" className="search-button" onClick={() => setSearching(true)}>
            <Icon name="search" size={14} />
            <span>Go to</span>
            <kbd>Ctrl K</kbd>
          </button>
        </div>
        <main id="content" tabIndex={-1}>
          {me.error ? <Failure error={me.error} /> : null}
          {me.data ? <Outlet /> : null}
        </main>
      </div>
      <Palette open={searching} onClose={() => setSearching(false)} />
      <ScrollRestoration />
    </div>
  )
}

function Rail() {
  const sessions = useOpenSessions().length
  const waiting = useRuns().data?.filter(({ status }) => status === 'waiting').length ?? 0
  const wanting: Record<string, number> = { '/labelling': sessions, '/runs': waiting }
  return (
    <nav className="rail" aria-label="Places">
      <span className="brand" aria-hidden="true">
        Gyre
      </span>
      <ul>
        {PLACES.map(([to, name, icon]) => (
          <li key={to}>
            <NavLink to={to} end={to === '/'} title={name}>
              <Icon name={icon} />
              <span className="rail-name">{name}</span>
              {wanting[to] ? (
                <span className="rail-count" title={`${wanting[to]} waiting for a person`}>
                  {wanting[to]}
                  <span className="visually-hidden"> waiting for a person</span>
                </span>
              ) : null}
            </NavLink>
          </li>
        ))}
      </ul>
    </nav>
  )
}

/** The breadcrumb is the address: each part leads to itself. */
function Crumbs({ pathname }: { pathname: string }) {
  const parts = pathname.split('/').filter(Boolean)
  return (
    <nav className="crumbs" aria-label="Breadcrumb">
      <ol>
        <li>
          <Link to="/">gyre</Link>
        </li>
        {parts.map((part, index) => {
          const to = `/${parts.slice(0, index + 1).join('/')}`
          const last = index === parts.length - 1
          return (
            <li key={to}>
              {last ? <span aria-current="page">{decodeURIComponent(part)}</span> : <Link to={to}>{part}</Link>}
            </li>
          )
        })}
      </ol>
    </nav>
  )
}
