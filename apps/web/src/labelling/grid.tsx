/** The images of one screen. Belonging and not belonging differ by frame, icon and words, not by colour alone. */
import {
  memo,
  useEffect,
  useLayoutEffect,
  useRef,
  useState,
  type MouseEvent,
  type PointerEvent,
  type RefCallback,
} from 'react'
import { thumbnailUrl } from '../api/client.ts'
import type { Screen } from '../api/types.ts'
import { Icon, type IconName } from '../parts/icon.tsx'
import { COLUMN_KEYS } from './key-map.ts'
import { between, PANE_GAP, thumbnailFor, type Layout } from './layout.ts'
import { homeOf, type Mark, type ScreenView } from './screen-view.ts'

/** Gutters for the letters of rows and the digits of columns. */
const GUTTER = 20
/** The names of the panes of a pair. */
const PANE_TITLE = 30
/** A press that moves farther draws a band; one that lasts longer, on a touch screen, enlarges. */
const BAND_FROM_PX = 6
const LONG_PRESS_MS = 420

/** The size of the place that the grid may fill, in pixels; no height where the page scrolls instead. */
export function useRoom(): [{ width: number; height: number }, RefCallback<HTMLDivElement>] {
  const [room, setRoom] = useState({ width: 0, height: 0 })
  const observer = useRef<ResizeObserver | null>(null)
  const ref: RefCallback<HTMLDivElement> = (element) => {
    observer.current?.disconnect()
    if (!element) return
    observer.current = new ResizeObserver(() => {
      const scrolls = window.matchMedia('(max-width: 720px)').matches
      const height = element.clientHeight - GUTTER - PANE_TITLE
      const next = { width: element.clientWidth - 2 * GUTTER, height: scrolls ? 0 : height }
      setRoom((old) => (old.width === next.width && old.height === next.height ? old : next))
    })
    observer.current.observe(element)
  }
  const [stable] = useState(() => ref)
  return [room, stable]
}

export interface GridHand {
  toggle(at: number): void
  focus(at: number): void
  select(ats: readonly number[], focus?: number): void
  deselect(): void
  /** Shows one image larger; null: no more. */
  zoom(at: number | null): void
  original(at: number): void
  /** Asks for the class of one image. */
  name(at: number): void
}

interface GridProps {
  readonly dataset: string
  readonly view: ScreenView
  readonly layout: Layout
  readonly rowKeys: readonly string[]
  /** The row whose letter was pressed. */
  readonly row: number | null
  /** A tap selects instead of marking. */
  readonly isSelecting: boolean
  readonly hand: GridHand
}

export function Grid({ dataset, view, layout, rowKeys, row, isSelecting, hand }: GridProps) {
  const { screen, focus, marks, selected } = view
  const tiles = useRef<HTMLDivElement>(null)
  useEffect(() => {
    // The focus follows the keys, unless a person is somewhere else on the page.
    const here = document.activeElement === document.body || tiles.current?.contains(document.activeElement)
    if (here) tiles.current?.querySelector<HTMLElement>(`[data-at="${focus}"]`)?.focus({ preventScroll: true })
  }, [focus, screen.id])
  useLayoutEffect(() => {
    window.scrollTo({ top: 0 })
  }, [screen.id])
  const [band, pointing] = useBand(tiles, hand)
  const { columns, cell, split } = layout
  if (cell <= 0) return null
  const single = screen.kind === 'single'
  const size = thumbnailFor(cell, window.devicePixelRatio)

  const onClick = (event: MouseEvent) => {
    if (pointing.wasBand()) return
    const at = tileOf(event.target)
    if (at === null) return hand.deselect()
    if (event.shiftKey) hand.select(between(layout, view.anchor, at), at)
    else if (isSelecting || event.ctrlKey || event.metaKey)
      hand.select(selected.has(at) ? [...selected].filter((one) => one !== at) : [...selected, at], at)
    else hand.toggle(at)
  }
  return (
    <div className="tiles-room" {...pointing.handlers} onClick={onClick}>
      <div
        className="tiles"
        ref={tiles}
        role="group"
        aria-label={single ? 'The image' : 'Images of this screen'}
        data-proposed={screen.proposed !== null || screen.pair !== undefined}
        data-single={single}
        data-screen={screen.id}
        style={{ gridTemplateColumns: template(layout) }}
        onContextMenu={(event) => {
          const at = tileOf(event.target)
          if (at === null) return
          event.preventDefault()
          // A finger that rests enlarges.
          if ((event.nativeEvent as unknown as { pointerType?: string }).pointerType !== 'touch') hand.name(at)
        }}
        onDoubleClick={(event) => {
          const at = tileOf(event.target)
          if (at !== null && !event.shiftKey) hand.original(at)
        }}
        onFocus={(event) => {
          const at = tileOf(event.target)
          // A press brings the focus, too, and decides itself what it means.
          if (at !== null && at !== focus && !pointing.isHeld()) hand.focus(at)
        }}
      >
        {screen.pair && split !== null ? <PaneTitles pair={screen.pair} layout={layout} /> : null}
        {single ? null : (
          <>
            <span />
            {COLUMN_KEYS.slice(0, columns).map((key, column) => [
              column === split ? <span key="gap" /> : null,
              <span key={key} className="gutter" data-lit={row !== null} aria-hidden="true">
                {key}
              </span>,
            ])}
          </>
        )}
        {Array.from({ length: layout.rows }, (_, line) => [
          <span key={`row${line}`} className="gutter" data-lit={row === line} aria-hidden="true">
            {single ? '' : rowKeys[line]?.toUpperCase()}
          </span>,
          ...layout.places
            .slice(line * columns, (line + 1) * columns)
            .map((at, column) => [
              column === split ? <span key={`gap${line}`} /> : null,
              at === null ? (
                <span key={`none${line}/${column}`} />
              ) : (
                <Tile
                  key={`${screen.id}/${at}`}
                  {...{ dataset, at, cell, size }}
                  digest={screen.images[at]!}
                  address={`${rowKeys[line] ?? `${line + 1}, `}${COLUMN_KEYS[column] ?? ''}`}
                  mark={marks[at] ?? null}
                  home={homeOf(screen, at)}
                  isFocus={at === focus}
                  isSelected={selected.has(at)}
                  isSingle={single}
                />
              ),
            ]),
        ])}
      </div>
      {band ? <div className="band" style={{ ...band }} aria-hidden="true" /> : null}
    </div>
  )
}

function PaneTitles({ pair, layout: { columns, split } }: { pair: NonNullable<Screen['pair']>; layout: Layout }) {
  return (
    <>
      <span />
      <h2 className="pane-title" style={{ gridColumn: `span ${split}` }}>
        {pair[0]}
      </h2>
      <span />
      <h2 className="pane-title" style={{ gridColumn: `span ${columns - split!}` }}>
        {pair[1]}
      </h2>
    </>
  )
}

function template({ columns, cell, split }: Layout): string {
  if (split === null) return `${GUTTER}px repeat(${columns}, ${cell}px)`
  return `${GUTTER}px repeat(${split}, ${cell}px) ${PANE_GAP}px repeat(${columns - split}, ${cell}px)`
}

interface TileProps {
  readonly dataset: string
  readonly digest: string
  readonly at: number
  readonly cell: number
  readonly size: 96 | 160 | 320 | 640
  readonly address: string
  readonly mark: Mark | null
  readonly home: string | null
  readonly isFocus: boolean
  readonly isSelected: boolean
  readonly isSingle: boolean
}

/** Drawn anew only when something about this one image changed: an answer to a key is at once. */
const Tile = memo(function Tile(props: TileProps) {
  const { dataset, digest, at, cell, size, address, mark, home, isFocus, isSelected, isSingle } = props
  const word = mark ? wordOf(mark, home) : null
  return (
    <button
      type="button"
      className="tile"
      data-at={at}
      data-digest={digest}
      data-misfit={mark !== null}
      data-selected={isSelected}
      tabIndex={isFocus ? 0 : -1}
      aria-pressed={isSingle ? undefined : mark !== null}
      aria-label={`Image ${address}${word ? `, misfit: ${word}` : ''}${isSelected ? ', selected' : ''}`}
      style={{ blockSize: cell, inlineSize: cell }}
    >
      <img src={thumbnailUrl(dataset, digest, size)} alt="" draggable={false} decoding="sync" fetchPriority="high" />
      {mark ? (
        <span className="misfit">
          <Icon name={iconOf(mark)} size={12} />
          <span>{word}</span>
        </span>
      ) : null}
    </button>
  )
})

function iconOf({ class: className, why }: Mark): IconName {
  if (why === 'unsure') return 'unsure'
  if (why === 'broken') return 'attention'
  return className === null ? 'failed' : 'arrow'
}

function wordOf({ class: className, why, note }: Mark, home: string | null): string {
  if (why === 'unsure') return 'do not know'
  if (why === 'broken') return 'broken'
  if (why === 'new') return note ? `new: ${note}` : 'new class'
  return className ?? (home ? `not ${home}` : 'another class')
}

function tileOf(target: EventTarget): number | null {
  const at = (target as HTMLElement).closest<HTMLElement>('[data-at]')?.dataset['at']
  return at === undefined ? null : Number(at)
}

interface Band {
  readonly left: number
  readonly top: number
  readonly width: number
  readonly height: number
}

/** A band drawn with the mouse selects what it touches; a long press on a touch screen enlarges. */
function useBand(tiles: React.RefObject<HTMLDivElement | null>, hand: GridHand) {
  const [band, setBand] = useState<Band | null>(null)
  const held = useRef<{
    x: number
    y: number
    drawn: boolean
    timer: ReturnType<typeof setTimeout> | undefined
  } | null>(null)
  const wasBand = useRef(false)
  const end = () => {
    clearTimeout(held.current?.timer)
    held.current = null
    setBand(null)
    hand.zoom(null)
  }
  const onPointerDown = (event: PointerEvent) => {
    wasBand.current = false
    if (event.button !== 0) return
    const at = tileOf(event.target)
    const enlarge = () => {
      wasBand.current = true
      hand.zoom(at)
    }
    const timer = event.pointerType === 'touch' && at !== null ? setTimeout(enlarge, LONG_PRESS_MS) : undefined
    held.current = { x: event.clientX, y: event.clientY, drawn: false, timer }
  }
  const onPointerMove = (event: PointerEvent) => {
    const from = held.current
    if (!from) return
    const isFar = Math.hypot(event.clientX - from.x, event.clientY - from.y) > BAND_FROM_PX
    if (isFar) clearTimeout(from.timer)
    if (event.pointerType === 'touch' || (!isFar && !from.drawn)) return
    if (!from.drawn) event.currentTarget.setPointerCapture(event.pointerId)
    from.drawn = true
    wasBand.current = true
    const [left, top] = [Math.min(from.x, event.clientX), Math.min(from.y, event.clientY)]
    const [width, height] = [Math.abs(event.clientX - from.x), Math.abs(event.clientY - from.y)]
    setBand({ left, top, width, height })
    hand.select(touched(tiles.current!, { left, top, width, height }))
  }
  const handlers = { onPointerDown, onPointerMove, onPointerUp: end, onPointerCancel: end }
  return [band, { handlers, isHeld: () => held.current !== null, wasBand: () => wasBand.current }] as const
}

function touched(tiles: HTMLElement, { left, top, width, height }: Band): number[] {
  return [...tiles.querySelectorAll<HTMLElement>('[data-at]')].flatMap((tile) => {
    const box = tile.getBoundingClientRect()
    const isTouched = box.left < left + width && box.right > left && box.top < top + height && box.bottom > top
    return isTouched ? [Number(tile.dataset['at'])] : []
  })
}
