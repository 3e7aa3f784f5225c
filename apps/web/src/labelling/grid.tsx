/** The images of one screen. Belonging and not belonging differ by frame, icon and words, not by colour alone. */
import { useEffect, useLayoutEffect, useRef, useState, type RefCallback } from 'react'
import { thumbnailUrl } from '../api/client.ts'
import { Icon } from '../parts/icon.tsx'
import type { Fit } from './fit.ts'
import { COLUMN_KEYS, ROW_KEYS } from './keys.ts'
import type { Mark, ScreenView } from './screen-view.ts'

/** Gutters for the letters of rows and the digits of columns. */
const GUTTER = 20

/** The size of the place that the grid may fill, in pixels; no height where the page scrolls instead. */
export function useRoom(): [{ width: number; height: number }, RefCallback<HTMLDivElement>] {
  const [room, setRoom] = useState({ width: 0, height: 0 })
  const observer = useRef<ResizeObserver | null>(null)
  const ref: RefCallback<HTMLDivElement> = (element) => {
    observer.current?.disconnect()
    if (!element) return
    observer.current = new ResizeObserver(() => {
      const scrolls = window.matchMedia('(max-width: 720px)').matches
      const next = { width: element.clientWidth - GUTTER, height: scrolls ? 0 : element.clientHeight - GUTTER }
      setRoom((old) => (old.width === next.width && old.height === next.height ? old : next))
    })
    observer.current.observe(element)
  }
  const [stable] = useState(() => ref)
  return [room, stable]
}

interface GridProps {
  readonly dataset: string
  readonly view: ScreenView
  readonly layout: Fit
  /** The row whose letter was pressed. */
  readonly row: number | null
  readonly onToggle: (at: number) => void
  readonly onFocus: (at: number) => void
}

export function Grid({ dataset, view, layout, row, onToggle, onFocus }: GridProps) {
  const { screen, focus, marks } = view
  const tiles = useRef<HTMLDivElement>(null)
  useEffect(() => {
    // The focus follows the keys, unless a person is somewhere else on the page.
    const here = document.activeElement === document.body || tiles.current?.contains(document.activeElement)
    if (here) tiles.current?.querySelector<HTMLElement>(`[data-at="${focus}"]`)?.focus({ preventScroll: true })
  }, [focus, screen.id])
  useLayoutEffect(() => {
    window.scrollTo({ top: 0 })
  }, [screen.id])
  if (layout.cell <= 0) return null
  const single = screen.kind === 'single'
  const rows = Math.ceil(screen.images.length / layout.columns)
  const cell = single ? Math.max(layout.cell, 320) : layout.cell
  return (
    <div
      className="tiles"
      ref={tiles}
      role="group"
      aria-label={single ? 'The image' : 'Images of this screen'}
      data-proposed={screen.proposed !== null}
      data-single={single}
      style={{ gridTemplateColumns: `${GUTTER}px repeat(${layout.columns}, ${cell}px)` }}
    >
      {single ? null : (
        <>
          <span />
          {COLUMN_KEYS.slice(0, layout.columns).map((key) => (
            <span key={key} className="gutter" data-lit={row !== null} aria-hidden="true">
              {key}
            </span>
          ))}
        </>
      )}
      {Array.from({ length: rows }, (_, line) => [
        <span key={`row${line}`} className="gutter" data-lit={row === line} aria-hidden="true">
          {single ? '' : ROW_KEYS[line]}
        </span>,
        ...screen.images.slice(line * layout.columns, (line + 1) * layout.columns).map((digest, column) => {
          const at = line * layout.columns + column
          const given = marks[at] ?? null
          return (
            <button
              key={`${screen.id}/${at}`}
              type="button"
              className="tile"
              data-at={at}
              data-screen={screen.id}
              data-misfit={given !== null}
              tabIndex={at === focus ? 0 : -1}
              aria-pressed={single ? undefined : given !== null}
              aria-label={`Image ${addressOf(line, column)}${given ? `, misfit: ${wordOf(given, screen.proposed)}` : ''}`}
              style={{ blockSize: cell, inlineSize: cell }}
              onClick={() => onToggle(at)}
              onFocus={() => onFocus(at)}
            >
              <img
                src={thumbnailUrl(dataset, digest, single ? 640 : 160)}
                alt=""
                draggable={false}
                fetchPriority="high"
              />
              {given ? (
                <span className="misfit">
                  <Icon
                    name={given.why === 'unsure' ? 'unsure' : given.why === 'broken' ? 'attention' : 'failed'}
                    size={12}
                  />
                  {wordOf(given, screen.proposed)}
                </span>
              ) : null}
            </button>
          )
        }),
      ])}
    </div>
  )
}

function addressOf(line: number, column: number): string {
  return `${ROW_KEYS[line] ?? `${line + 1}, `}${COLUMN_KEYS[column] ?? ''}`
}

function wordOf(mark: Mark, proposed: string | null): string {
  if (mark.why === 'unsure') return 'do not know'
  if (mark.why === 'broken') return 'broken'
  return mark.class ?? (proposed ? `not ${proposed}` : 'another class')
}
