/** All images by how they look: near is alike. Zoom until they show, draw round some, and act on them. */
import { useMemo, useState } from 'react'
import { useSearchParams } from 'react-router'
import { count, counted } from '../parts/format.ts'
import { Icon } from '../parts/icon.tsx'
import { Empty, Skeleton } from '../parts/page.tsx'
import { ActionBar } from './actions.tsx'
import { titleOf, wordOf } from './columns.ts'
import { useShown } from './frame.tsx'
import { ImageDetail } from './image-detail.tsx'
import { colourOf, MapCanvas } from './map-canvas.tsx'
import { within, type Points, type Polygon, type View } from './map-view.ts'
import { useCodes, useDigests, useLack, useMap, type Codes } from './queries.ts'
import { MARKED_AT_MOST } from './selection.ts'
import { StartRun } from './start-run.tsx'
import { Tiles } from './tiles.tsx'

const COLOURED_BY = ['label', 'split', 'origin', 'excluded'] as const
/** Images of a lasso that are shown beside the map. */
const SHOWN = 48

export default function MapPage() {
  const { dataset } = useShown()
  const map = useMap(dataset.name, dataset.version)
  const lack = useLack(map, dataset.version)
  if (lack)
    return (
      <div className="page">
        <Empty
          title="There is no map of this version yet."
          command={`gyre pipeline run dataset-map --param dataset=${dataset.name}`}
        >
          <p>{lack.message}</p>
          <p>A map shows what looks alike side by side; it is made once for a set of images, whatever their labels.</p>
          <StartRun
            pipeline="dataset-map"
            params={{ dataset: dataset.name, ref: dataset.version }}
            verb="Make the map"
          />
        </Empty>
      </div>
    )
  return map.data ? <LoadedMap key={dataset.version} points={map.data} /> : <Skeleton />
}

function LoadedMap({ points }: { points: Points }) {
  const { dataset } = useShown()
  const [search, setSearch] = useSearchParams()
  const by = search.get('by') ?? 'label'
  const codes = useCodes(dataset.name, dataset.version, by).data ?? null
  const [only, setOnly] = useState<number | null>(null)
  const [isLasso, setLasso] = useState(false)
  const set = (name: string, value: string | null) =>
    setSearch(
      (old) => {
        const next = new URLSearchParams(old)
        if (value === null) next.delete(name)
        else next.set(name, value)
        return next
      },
      { replace: true, preventScrollReset: true },
    )
  const lassoText = search.get('lasso')
  const lasso = useMemo(() => numbersOf(lassoText, 6), [lassoText])
  const selected = useMemo(() => (lasso ? within(points, lasso) : []), [points, lasso])
  const setPolygon = (polygon: Polygon | null) => {
    setLasso(false)
    set('lasso', polygon && polygon.join(','))
  }
  const image = search.get('image')
  return (
    <div className="map">
      <div className="map-main">
        <div className="picks map-tools">
          <span className="figure">{counted(points.count, 'image')}</span>
          <label className="order">
            coloured by{' '}
            <select
              value={by}
              onChange={(event) => {
                setOnly(null)
                set('by', event.currentTarget.value)
              }}
            >
              {COLOURED_BY.map((column) => (
                <option key={column} value={column}>
                  {titleOf(column).toLowerCase()}
                </option>
              ))}
            </select>
          </label>
          <div className="filters" role="group" aria-label="What the mouse does">
            <button type="button" aria-pressed={!isLasso} onClick={() => setLasso(false)}>
              Move
            </button>
            <button type="button" aria-pressed={isLasso} onClick={() => setLasso(true)}>
              Draw a lasso
            </button>
          </div>
          <span className="muted map-hint">Scroll zooms; Shift draws; arrows, + and − do, too.</span>
        </div>
        <MapCanvas
          points={points}
          codes={codes}
          only={only}
          view={viewOf(search.get('view'))}
          onView={(view) => {
            const text = view && [view.x, view.y, view.scale].map(brief).join(',')
            if (text !== search.get('view')) set('view', text)
          }}
          lasso={lasso}
          marked={lasso ? selected : null}
          isLasso={isLasso}
          onLasso={setPolygon}
          onOpen={(digest) => set('image', digest)}
        />
      </div>
      <aside className="map-side" aria-label="What is on the map">
        {lasso ? (
          <Lassoed rows={selected} onOpen={(digest) => set('image', digest)} onClear={() => setPolygon(null)} />
        ) : codes ? (
          <Legend by={by} codes={codes} only={only} onOnly={setOnly} />
        ) : null}
      </aside>
      {image ? (
        <ImageDetail digest={image} onClose={() => set('image', null)} onOpen={(digest) => set('image', digest)} />
      ) : null}
    </div>
  )
}

/** What each colour means, with how many; pressing one lets it stand alone. */
function Legend(props: { by: string; codes: Codes; only: number | null; onOnly: (code: number | null) => void }) {
  const { by, codes, only, onOnly } = props
  return (
    <>
      <h2>{titleOf(by)}</h2>
      <ul className="class-list legend" aria-label={titleOf(by)}>
        {codes.values.map((value, code) => (
          <li key={String(value)}>
            <button type="button" aria-pressed={only === code} onClick={() => onOnly(only === code ? null : code)}>
              <span className="legend-word">
                <span className="swatch" data-colour={colourOf(value, code)} aria-hidden="true" />
                {wordOf(by, value)}
              </span>
              <span className="figure">{count(codes.counts[code] ?? 0)}</span>
            </button>
          </li>
        ))}
      </ul>
      <p className="muted">Near means alike, far means different; the directions mean nothing by themselves.</p>
    </>
  )
}

interface LassoedProps {
  readonly rows: readonly number[]
  readonly onOpen: (digest: string) => void
  readonly onClear: () => void
}

function Lassoed({ rows, onOpen, onClear }: LassoedProps) {
  const { dataset } = useShown()
  const isTooMany = rows.length > MARKED_AT_MOST
  const digests = useDigests(dataset.name, dataset.version, isTooMany ? rows.slice(0, SHOWN) : rows)
  return (
    <>
      <h2>{counted(rows.length, 'image')} in the lasso</h2>
      {digests.error ? <p className="bad">{digests.error.message}</p> : null}
      {digests.isPending && rows.length ? <Skeleton /> : null}
      {isTooMany ? (
        <p className="notice-line">
          <Icon name="attention" size={14} />
          At most {count(MARKED_AT_MOST)} images are acted on at once; draw a smaller lasso, or say it by a query.
        </p>
      ) : null}
      {digests.data?.length && !isTooMany ? (
        <ActionBar images={digests.data.length} target={{ digests: digests.data }} onClear={onClear} />
      ) : (
        <button type="button" className="more" onClick={onClear}>
          Take the lasso away
        </button>
      )}
      <Tiles
        dataset={dataset.name}
        label="Images in the lasso"
        items={(digests.data ?? [])
          .slice(0, SHOWN)
          .map((digest, at) => ({ digest, name: `Image ${at + 1} of the lasso` }))}
        onOpen={onOpen}
      />
      {rows.length > SHOWN ? <p className="muted">The first {count(SHOWN)} are shown.</p> : null}
    </>
  )
}

const brief = (value: number): string => String(Number(value.toPrecision(5)))

/** Numbers of an address, at least so many of them. */
function numbersOf(text: string | null, least: number): readonly number[] | null {
  const numbers = text?.split(',').map(Number) ?? []
  return numbers.length >= least && numbers.length % 2 === least % 2 && numbers.every(Number.isFinite) ? numbers : null
}

function viewOf(text: string | null): View | null {
  const [x, y, scale] = numbersOf(text, 3) ?? []
  return scale !== undefined && scale > 0 ? { x: x!, y: y!, scale } : null
}
