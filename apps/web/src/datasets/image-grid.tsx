/**
 * Images as a grid that may hold millions: only what is seen is in the page and asked of the server. The keys move a mark, the
 * grid itself keeps the focus, so that scrolling never loses it.
 */
import {
  memo,
  useCallback,
  useEffect,
  useId,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
  type KeyboardEvent,
  type MouseEvent,
} from 'react'
import { thumbnailUrl } from '../api/client.ts'
import { count } from '../parts/format.ts'
import { Icon } from '../parts/icon.tsx'
import { measureOf } from './columns.ts'
import { fetchRows, useRowWindow, type RowWindow, type Shelf } from './queries.ts'
import { barAt, moveContent, railHeight, type Rail } from './rail.ts'
import { extended, isSelected, SPAN_AT_MOST, toggled, type Selection } from './selection.ts'
import type { Row } from './types.ts'

const GAP = 6
/** Lines kept above and below what is seen. */
const AHEAD = 2
/** While a hand drags the bar, requests go out at most this often. */
const ASK_MS = 60
const REST_MS = 140
/** Faster than this many views between two events, pictures wait until the hand rests. */
const FLYING_VIEWS = 1.5

/** How many images fit, or why it is not known yet. */
export type Found = Pick<RowWindow, 'total' | 'error' | 'waiting'>

interface GridProps {
  readonly shelf: Shelf
  /** Least width of a tile, in pixels. */
  readonly cell: number
  /** The row that stands at the top when the grid is opened. */
  readonly at: number
  readonly onAt: (row: number) => void
  readonly selection: Selection
  readonly onSelection: (selection: Selection) => void
  readonly onOpen: (row: Row) => void
  readonly onFound: (found: Found) => void
}

export function ImageGrid(props: GridProps) {
  const box = useRef<HTMLDivElement>(null)
  const [room, setRoom] = useState({ width: 0, height: 0 })
  useLayoutEffect(() => {
    const element = box.current!
    const measure = () =>
      setRoom((old) => {
        const next = { width: element.clientWidth, height: element.clientHeight }
        return old.width === next.width && old.height === next.height ? old : next
      })
    const observer = new ResizeObserver(measure)
    observer.observe(element)
    measure()
    return () => observer.disconnect()
  }, [])
  const columns = Math.max(1, Math.floor((room.width + GAP) / (props.cell + GAP)))
  const side = Math.floor((room.width - (columns - 1) * GAP) / columns)
  return (
    <Scroller {...props} box={box} columns={columns} side={side} height={room.height} isMeasured={room.width > 0} />
  )
}

interface ScrollerProps extends GridProps {
  readonly box: React.RefObject<HTMLDivElement | null>
  readonly columns: number
  readonly side: number
  readonly height: number
  readonly isMeasured: boolean
}

function Scroller(props: ScrollerProps) {
  const { shelf, at, onAt, selection, onSelection, onOpen, onFound, box, columns, side, height, isMeasured } = props
  const id = useId()
  const line = side + GAP
  const top = useRef(at)
  const [place, setPlace] = useState({ bar: 0, content: Math.floor(at / columns) * line })
  const [isFlying, setFlying] = useState(false)
  const [active, setActive] = useState<number | null>(null)
  const anchor = useRef(at)
  const firstLine = Math.max(0, Math.floor(place.content / line) - AHEAD)
  const lastLine = Math.ceil((place.content + height) / line) + AHEAD
  const held = useRef(Infinity)
  const asked = useThrottled(isMeasured ? firstLine * columns : at, isMeasured ? lastLine * columns : at + 1)
  const { total, rowAt, error, waiting } = useRowWindow(shelf, asked.from, Math.min(asked.to, held.current))
  const lines = Math.ceil((total ?? 0) / columns)
  const rail = useMemo<Rail>(() => ({ content: Math.max(0, lines * line - GAP), view: height }), [lines, line, height])

  useEffect(() => {
    held.current = total ?? Infinity
    onFound({ total, error, waiting })
  }, [total, error, waiting, onFound])

  const goTo = useCallback(
    (content: number) => {
      const element = box.current!
      const bounded = Math.max(0, Math.min(rail.content - rail.view, content))
      element.scrollTop = barAt(rail, bounded)
      const isExact = railHeight(rail) === rail.content
      setPlace({ bar: element.scrollTop, content: isExact ? element.scrollTop : bounded })
    },
    [box, rail],
  )

  // The image at the top stays there when the window, the size of the tiles or the number of images changes.
  useLayoutEffect(() => {
    if (isMeasured && total !== null) goTo(Math.floor(top.current / columns) * line)
  }, [isMeasured, total, columns, line, goTo])

  const onScroll = () => {
    const bar = box.current!.scrollTop
    const content = moveContent(rail, place.content, place.bar, bar)
    if (bar === place.bar) return
    setPlace({ bar, content })
    setFlying(Math.abs(content - place.content) > FLYING_VIEWS * height)
  }

  // At rest: pictures load, a shortened rail is set right, and the address says where we are.
  useEffect(() => {
    if (total === null || !isMeasured) return
    const timer = setTimeout(() => {
      setFlying(false)
      const row = Math.round(place.content / line) * columns
      if (Math.floor(top.current / columns) !== Math.floor(row / columns)) {
        top.current = row
        onAt(row)
      }
      if (Math.abs(barAt(rail, place.content) - place.bar) > 1) goTo(place.content)
    }, REST_MS)
    return () => clearTimeout(timer)
  }, [place, total, isMeasured, rail, line, columns, goTo, onAt])

  const show = (row: number) => {
    const y = Math.floor(row / columns) * line
    if (y < place.content) goTo(y)
    else if (y + line > place.content + height) goTo(y + line - height)
  }

  const mark = useCallback(
    async (to: number, isSpan: boolean) => {
      const row = rowAt(to)
      if (isSpan) {
        const [from, end] = [Math.min(anchor.current, to), Math.max(anchor.current, to) + 1]
        const rows = await fetchRows(shelf, from, Math.min(end, from + SPAN_AT_MOST))
        onSelection(
          extended(
            selection,
            rows.map(({ digest }) => digest),
          ),
        )
      } else if (row) {
        anchor.current = to
        onSelection(toggled(selection, row.digest))
      }
    },
    [rowAt, shelf, selection, onSelection],
  )

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'a' && (event.ctrlKey || event.metaKey)) {
      onSelection({ all: true })
      event.preventDefault()
      return
    }
    if (total === null || total === 0) return
    const page = Math.max(1, Math.floor(height / line)) * columns
    const here = active ?? Math.min(total - 1, Math.ceil(place.content / line) * columns)
    const steps: Readonly<Record<string, number>> = {
      ArrowRight: 1,
      ArrowLeft: -1,
      ArrowDown: columns,
      ArrowUp: -columns,
      PageDown: page,
      PageUp: -page,
      Home: -here,
      End: total - 1 - here,
    }
    const step = steps[event.key]
    if (step !== undefined) {
      const next = active === null ? here : Math.max(0, Math.min(total - 1, here + step))
      setActive(next)
      show(next)
      if (event.shiftKey) void mark(next, true)
      else anchor.current = next
    } else if (event.key === 'Enter') {
      const row = rowAt(here)
      if (row) onOpen(row)
    } else if (event.key === ' ' || event.key === 'x') void mark(here, event.shiftKey)
    else return
    event.preventDefault()
  }

  const anySelected = selection.all || selection.digests.size > 0
  const onClick = useCallback(
    (event: MouseEvent, to: number) => {
      setActive(to)
      const row = rowAt(to)
      const isMark = event.ctrlKey || event.metaKey || (event.target as Element).closest('[data-check]') !== null
      if (event.shiftKey) void mark(to, true)
      else if (isMark || anySelected) void mark(to, false)
      else if (row) onOpen(row)
    },
    [rowAt, mark, onOpen, anySelected],
  )

  const tiles = []
  if (total !== null && isMeasured && height)
    for (let index = firstLine * columns; index < Math.min(total, lastLine * columns); index++) {
      const row = rowAt(index)
      tiles.push(
        <Tile
          key={index}
          id={`${id}-${index}`}
          dataset={shelf.dataset}
          row={row}
          at={index}
          total={total}
          x={(index % columns) * line}
          y={Math.round(place.bar - place.content) + Math.floor(index / columns) * line}
          side={side}
          measure={row ? measureOf(row, shelf.order) : null}
          isSelected={row !== undefined && isSelected(selection, row.digest)}
          isActive={index === active}
          isFlying={isFlying}
          onClick={onClick}
        />,
      )
    }
  const isActiveShown = active !== null && active >= firstLine * columns && active < lastLine * columns
  return (
    <div
      ref={box}
      className="grid-scroll"
      role="listbox"
      aria-label="Images"
      aria-multiselectable="true"
      aria-busy={total === null && !error}
      aria-activedescendant={isActiveShown ? `${id}-${active}` : undefined}
      tabIndex={0}
      data-selecting={anySelected}
      onScroll={onScroll}
      onKeyDown={onKeyDown}
    >
      <div className="grid-rail" role="presentation" style={{ blockSize: railHeight(rail) }}>
        {tiles}
      </div>
    </div>
  )
}

interface TileProps {
  readonly id: string
  readonly dataset: string
  readonly row: Row | undefined
  readonly at: number
  readonly total: number
  readonly x: number
  readonly y: number
  readonly side: number
  readonly measure: string | null
  readonly isSelected: boolean
  readonly isActive: boolean
  readonly isFlying: boolean
  readonly onClick: (event: MouseEvent, at: number) => void
}

const Tile = memo(function Tile({ id, dataset, row, at, total, x, y, side, measure, onClick, ...is }: TileProps) {
  const size = side * Math.min(2, window.devicePixelRatio) > 200 ? 320 : 160
  return (
    <div
      id={id}
      className="shot"
      role="option"
      aria-selected={is.isSelected}
      aria-posinset={at + 1}
      aria-setsize={total}
      aria-label={row ? nameOf(row, measure) : `Image ${count(at + 1)}`}
      data-active={is.isActive}
      data-excluded={row ? row.excluded !== null : undefined}
      title={row?.excluded ? `left out: ${row.excluded}` : undefined}
      style={{ transform: `translate(${x}px, ${y}px)`, inlineSize: side, blockSize: side }}
      onClick={(event) => onClick(event, at)}
    >
      {row && !is.isFlying ? (
        <img key={row.digest} src={thumbnailUrl(dataset, row.digest, size)} alt="" draggable={false} />
      ) : null}
      <span className="shot-check" data-check aria-hidden="true">
        {is.isSelected ? <Icon name="completed" size={13} /> : null}
      </span>
      {row ? (
        <span className="shot-foot" aria-hidden="true">
          <span className="shot-label" data-none={row.label === null}>
            {row.excluded === null ? null : <Icon name="cancelled" size={12} />}
            {wordFor(row)}
          </span>{' '}
          {measure ? <span className="shot-measure">{measure}</span> : null}
        </span>
      ) : null}
    </div>
  )
})

const wordFor = (row: Row): string => (row.excluded === null ? (row.label ?? 'no label') : 'left out')

/** What is seen on the tile stands in its name as it is. */
function nameOf(row: Row, measure: string | null): string {
  const seen = measure ? `${wordFor(row)} ${measure}` : wordFor(row)
  return row.excluded === null ? `${row.source}, ${seen}` : `${row.source}, ${seen}, ${row.excluded}`
}

/** A span that changes while a hand scrolls, handed on at most every `ASK_MS`. */
function useThrottled(from: number, to: number): { from: number; to: number } {
  const [span, setSpan] = useState({ from, to })
  const wanted = useRef(span)
  const timer = useRef<number | undefined>(undefined)
  useEffect(() => {
    wanted.current = { from, to }
    timer.current ??= window.setTimeout(() => {
      timer.current = undefined
      setSpan((old) => (old.from === wanted.current.from && old.to === wanted.current.to ? old : wanted.current))
    }, ASK_MS)
  }, [from, to])
  useEffect(() => () => window.clearTimeout(timer.current), [])
  return span
}
