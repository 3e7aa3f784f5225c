/** The images of a version: facets at the side, a query above, a grid of whatever fits, and what to do with it. */
import { useMemo, useState } from 'react'
import { useSearchParams } from 'react-router'
import { ApiProblem } from '../api/client.ts'
import { count } from '../parts/format.ts'
import { Icon } from '../parts/icon.tsx'
import { Empty, Failure } from '../parts/page.tsx'
import { ActionBar } from './actions.tsx'
import { FacetList } from './facet-list.tsx'
import { conditionOf, filterOf, onlyWhere, pickText, setWhere, toggle, unpick } from './filter.ts'
import { useShown } from './frame.tsx'
import { ImageDetail } from './image-detail.tsx'
import { ImageGrid, type Found } from './image-grid.tsx'
import { CELLS, QueryBar } from './query-bar.tsx'
import { fetchRows, useFacets, type Shelf } from './queries.ts'
import { NOTHING, sizeOf, type Selection } from './selection.ts'
import type { Row } from './types.ts'

export default function ImagesPage() {
  const { dataset } = useShown()
  const [search, setSearch] = useSearchParams()
  const filter = useMemo(() => filterOf(search), [search])
  const where = conditionOf(filter)
  const order = search.get('order') ?? 'digest'
  const cell = Number(search.get('size')) || CELLS[1]
  const shelf = useMemo<Shelf>(
    () => ({ dataset: dataset.name, version: dataset.version, where, order }),
    [dataset.name, dataset.version, where, order],
  )
  const { facets, total, error } = useFacets(dataset.name, dataset.version, filter)
  const isWrong = error instanceof ApiProblem && error.status < 500 && filter.where !== ''
  const edit = (change: (search: URLSearchParams) => URLSearchParams) => setSearch(change, { preventScrollReset: true })
  const set = (name: string, value: string | null, replace = false) =>
    setSearch(
      (old) => {
        const next = new URLSearchParams(old)
        if (value === null) next.delete(name)
        else next.set(name, value)
        return next
      },
      { replace, preventScrollReset: true },
    )
  const [isOpen, setOpen] = useState(false)
  return (
    <div className="shelf" data-facets={isOpen}>
      <aside className="facets" aria-label="Facets">
        {facets ? (
          <FacetList
            facets={facets}
            filter={filter}
            onToggle={(column, bucket, widen) => edit((old) => toggle(old, column, bucket, widen))}
          />
        ) : null}
      </aside>
      <div className="shelf-main">
        <QueryBar
          dataset={dataset.name}
          where={filter.where}
          condition={where}
          order={order}
          cell={cell}
          error={isWrong ? error.message : null}
          onWhere={(typed) => edit((old) => setWhere(old, typed))}
          onView={(view) => edit((old) => onlyWhere(old, view.where))}
          onOrder={(next) => edit((old) => ordered(old, next))}
          onCell={(next) => set('size', next === CELLS[1] ? null : String(next), true)}
        />
        <div className="picks">
          <button type="button" className="more facets-button" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
            <Icon name="settings" size={13} /> Facets
          </button>
          <span className="figure" aria-live="polite">
            {total === null || isWrong ? '' : `${count(total)} of ${count(dataset.images)} images`}
          </span>
          {filter.picks.map((pick) => (
            <button
              key={pick.column}
              type="button"
              className="pick"
              onClick={() => edit((old) => unpick(old, pick.column))}
            >
              {pickText(pick)} <Icon name="failed" size={11} />
              <span className="visually-hidden">: take it away</span>
            </button>
          ))}
        </div>
        <Results
          key={`${shelf.version} ${where} ${order}`}
          shelf={shelf}
          cell={cell}
          isWrong={isWrong}
          at={Number(search.get('at')) || 0}
          onAt={(row) => set('at', row ? String(row) : null, true)}
          image={search.get('image')}
          onImage={(digest) => set('image', digest, true)}
        />
      </div>
    </div>
  )
}

function ordered(search: URLSearchParams, order: string): URLSearchParams {
  const next = new URLSearchParams(search)
  next.delete('at')
  if (order === 'digest') next.delete('order')
  else next.set('order', order)
  return next
}

interface ResultsProps {
  readonly shelf: Shelf
  readonly cell: number
  readonly isWrong: boolean
  readonly at: number
  readonly onAt: (row: number) => void
  readonly image: string | null
  readonly onImage: (digest: string | null) => void
}

/** The grid, what is selected in it, and the image that is looked at. Begins anew with each query. */
function Results({ shelf, cell, isWrong, at, onAt, image, onImage }: ResultsProps) {
  const [selection, setSelection] = useState<Selection>(NOTHING)
  const [found, setFound] = useState<Found>({ total: null, error: null, waiting: null })
  const [opened, setOpened] = useState<number | null>(null)
  const open = (row: Row) => {
    setOpened(row.row)
    onImage(row.digest)
  }
  const step = (by: 1 | -1) => {
    if (opened === null || found.total === null) return
    const next = Math.max(0, Math.min(found.total - 1, opened + by))
    void fetchRows(shelf, next, next + 1).then(([row]) => row && open(row))
  }
  const selected = sizeOf(selection, found.total ?? 0)
  return (
    <>
      {found.error && !isWrong ? <Failure error={found.error} /> : null}
      {found.total === null && found.waiting ? (
        <p className="notice-line" role="status">
          <Icon name="running" size={14} /> {found.waiting}
        </p>
      ) : null}
      {found.total === 0 ? <Nothing where={shelf.where} name={shelf.dataset} /> : null}
      <ImageGrid
        shelf={shelf}
        cell={cell}
        at={at}
        onAt={onAt}
        selection={selection}
        onSelection={setSelection}
        onOpen={open}
        onFound={setFound}
      />
      {selected ? (
        <ActionBar
          images={selected}
          target={selection.all ? { where: shelf.where } : { digests: [...selection.digests] }}
          onClear={() => setSelection(NOTHING)}
        >
          {selection.all ? null : (
            <button type="button" className="more" onClick={() => setSelection({ all: true })}>
              Select all {count(found.total ?? 0)}
            </button>
          )}
        </ActionBar>
      ) : null}
      {image ? (
        <ImageDetail
          digest={image}
          onClose={() => onImage(null)}
          onOpen={(digest) => {
            setOpened(null)
            onImage(digest)
          }}
          {...(opened === null ? {} : { onStep: step })}
        />
      ) : null}
    </>
  )
}

function Nothing({ where, name }: { where: string; name: string }) {
  return where ? (
    <Empty title="No image fits this query.">Take something away, or look at another version.</Empty>
  ) : (
    <Empty title="This version holds no image." command={`gyre dataset import ${name} FOLDER`} />
  )
}
