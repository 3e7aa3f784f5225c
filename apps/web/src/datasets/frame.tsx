/** The frame of all that is said of one dataset: which version is shown, and the ways to look at it. */
import { createContext, use, useEffect, useRef, useState, type ReactNode } from 'react'
import { Link, NavLink, Outlet, useParams, useSearchParams } from 'react-router'
import { useDataset, useOpenSessions } from '../api/queries.ts'
import type { DatasetDetail } from '../api/types.ts'
import { count, counted, percent, short } from '../parts/format.ts'
import { Icon } from '../parts/icon.tsx'
import { Loaded } from '../parts/page.tsx'

interface Shown {
  readonly dataset: DatasetDetail
  /** What the address names: `latest`, a tag, or a version. */
  readonly ref: string
  /** Moves the page to a version that was made just now, and says in a few words what it is. */
  readonly moveTo: (version: string, told: string) => void
}

/** A version that this person made on this page. */
interface Made {
  readonly told: string
  readonly from: string
  readonly to: string
}

const Context = createContext<Shown | null>(null)

/** The dataset and the version that the page shows. */
export const useShown = (): Shown => use(Context)!

/** Shows one version on a page outside this frame; nothing there makes another one. */
export function ShownVersion({ dataset, children }: { dataset: DatasetDetail; children: ReactNode }) {
  return <Context value={{ dataset, ref: dataset.version, moveTo: () => undefined }}>{children}</Context>
}

const PLACES = [
  ['', 'Images'],
  ['map', 'Map'],
  ['similar', 'Similar'],
  ['versions', 'Versions'],
  ['health', 'Health'],
  ['lineage', 'Lineage'],
] as const

export default function DatasetFrame() {
  const { name = '' } = useParams()
  const ref = useSearchParams()[0].get('ref') ?? 'latest'
  return (
    <Loaded query={useDataset(name, ref)}>
      {(head) => <Pinned key={`${name}@${ref}`} head={head} refName={ref} />}
    </Loaded>
  )
}

/** A page stays with the version that it began with: what a person looks at does not change under their eyes. */
function Pinned({ head, refName }: { head: DatasetDetail; refName: string }) {
  const [pinned, setPinned] = useState(head.version)
  const [made, setMade] = useState<Made | null>(null)
  const isNewest = pinned === head.version
  const other = useDataset(head.name, pinned, !isNewest)
  const last = useRef(head)
  const dataset = isNewest ? head : (other.data ?? last.current)
  last.current = dataset
  const moveTo = (version: string, told: string) => {
    setMade({ told, from: dataset.version, to: version })
    // An address that names one version goes on to show it.
    if (refName === 'latest') setPinned(version)
  }
  return (
    <Context value={{ dataset, ref: refName, moveTo }}>
      <div className="dataset">
        <Head dataset={dataset} refName={refName} newer={isNewest ? null : () => setPinned(head.version)} />
        {made ? <MadeNote dataset={head.name} made={made} onClose={() => setMade(null)} /> : null}
        <Outlet />
      </div>
    </Context>
  )
}

function MadeNote({ dataset, made, onClose }: { dataset: string; made: Made; onClose: () => void }) {
  return (
    <p className="notice-line made-note" role="status">
      <Icon name="completed" size={14} />
      <span>
        {made.told}: version <code>{short(made.to)}</code>.
      </span>
      <Link to={`/datasets/${dataset}/diff?from=${made.from}&to=${made.to}`}>See what changed</Link>
      <button type="button" className="quiet-button" onClick={onClose} aria-label="Close this note">
        <Icon name="failed" size={12} />
      </button>
    </p>
  )
}

interface HeadProps {
  readonly dataset: DatasetDetail
  readonly refName: string
  readonly newer: (() => void) | null
}

function Head({ dataset, refName, newer }: HeadProps) {
  const session = useOpenSessions().find((one) => one.dataset === dataset.name)
  useEffect(() => {
    document.title = `${dataset.name} · Gyre`
  }, [dataset.name])
  const keep = refName === 'latest' ? '' : `?ref=${encodeURIComponent(refName)}`
  return (
    <header className="dataset-head">
      <div className="page-title">
        <h1>
          <span className="page-kind">dataset </span>
          {dataset.name}
        </h1>
      </div>
      <p className="lineage dataset-facts">
        <span>{counted(dataset.images, 'image')}</span>
        <span>
          {count(dataset.labelled)} labelled ({percent(dataset.images ? dataset.labelled / dataset.images : 0, 0)})
        </span>
        <span>{count(dataset.humanSeen)} seen by a person</span>
        <span>
          {count(dataset.splits.train)} train, {count(dataset.splits.test)} held out
        </span>
        {dataset.excluded ? <span>{count(dataset.excluded)} left out</span> : null}
        <span>
          version{' '}
          <Link to={`/datasets/${dataset.name}/versions`}>
            <code>{short(dataset.version)}</code>
          </Link>
          {/^[0-9a-f]{64}$/.test(refName) ? '' : ` (${refName})`}
        </span>
        {session ? (
          <span>
            being labelled in <Link to={`/labelling/${session.id}`}>{session.id}</Link>
          </span>
        ) : null}
      </p>
      <nav className="tabs" aria-label="Dataset">
        {PLACES.map(([place, name]) => (
          <NavLink key={name} to={`/datasets/${dataset.name}${place ? `/${place}` : ''}${keep}`} end>
            {name}
          </NavLink>
        ))}
      </nav>
      {refName === 'latest' ? null : (
        <p className="notice-line">
          <Icon name="attention" size={14} />
          <span>
            This is {/^[0-9a-f]{64}$/.test(refName) ? 'one version' : `the version called ${refName}`}, not what{' '}
            <code>latest</code> points to.
          </span>
          <Link to={`/datasets/${dataset.name}`}>Show the newest</Link>
        </p>
      )}
      {newer ? (
        <p className="notice-line" role="status">
          <Icon name="attention" size={14} />
          <span>Another version is the newest by now.</span>
          <button type="button" className="quiet-button" onClick={newer}>
            Show it
          </button>
        </p>
      ) : null}
    </header>
  )
}
