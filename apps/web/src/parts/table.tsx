/** A list as a table: j and k move, Enter opens, the row is a link for the mouse and for assistive technology. */
import { useEffect, useRef, useState, type ReactNode } from 'react'
import { Link, useNavigate } from 'react-router'
import { count } from './format.ts'

export interface Column<T> {
  readonly title: string
  readonly cell: (row: T) => ReactNode
  /** Figures stand right, under each other. */
  readonly figures?: boolean
  /** Left out on narrow screens. */
  readonly minor?: boolean
}

interface TableProps<T> {
  readonly label: string
  readonly rows: readonly T[]
  readonly columns: readonly Column<T>[]
  readonly keyOf: (row: T) => string
  /** Where the row leads; its first cell becomes the link. */
  readonly to?: (row: T) => string
}

/** A list may have a hundred thousand rows; a page shows what a person can read. */
const ROWS_AT_ONCE = 200

export function Table<T>({ label, rows, columns, keyOf, to }: TableProps<T>) {
  const [limit, setLimit] = useState(ROWS_AT_ONCE)
  const body = useRef<HTMLTableSectionElement>(null)
  const navigate = useNavigate()
  useEffect(() => {
    if (!to) return
    const onKey = (event: KeyboardEvent) => {
      if (isTyping(event) || event.ctrlKey || event.metaKey || event.altKey) return
      const step = event.key === 'j' ? 1 : event.key === 'k' ? -1 : 0
      if (!step) return
      const links = [...(body.current?.querySelectorAll<HTMLAnchorElement>('a[data-row]') ?? [])]
      const at = links.indexOf(document.activeElement as HTMLAnchorElement)
      links[Math.max(0, Math.min(links.length - 1, at + step))]?.focus()
      event.preventDefault()
    }
    window.addEventListener('keydown', onKey)
    return () => window.removeEventListener('keydown', onKey)
  }, [to])
  return (
    <div className="table-frame" tabIndex={0} role="region" aria-label={label}>
      <table>
        <thead>
          <tr>
            {columns.map(({ title, figures, minor }) => (
              <th key={title} scope="col" data-figures={figures} data-minor={minor}>
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody ref={body}>
          {rows.slice(0, limit).map((row) => (
            <tr
              key={keyOf(row)}
              data-link={Boolean(to)}
              onClick={(event) => {
                const inner = (event.target as HTMLElement).closest('a, button, summary')
                if (to && !inner && !window.getSelection()?.toString()) void navigate(to(row))
              }}
            >
              {columns.map(({ title, cell, figures, minor }, index) => (
                <td key={title} data-figures={figures} data-minor={minor}>
                  {index === 0 && to ? (
                    <Link to={to(row)} data-row>
                      {cell(row)}
                    </Link>
                  ) : (
                    cell(row)
                  )}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {rows.length > limit ? (
        <button type="button" className="more table-more" onClick={() => setLimit(limit + ROWS_AT_ONCE)}>
          Show {count(Math.min(ROWS_AT_ONCE, rows.length - limit))} more of {count(rows.length)}
        </button>
      ) : null}
    </div>
  )
}

/** Keys belong to the field that has the focus, and to an open dialog. */
export function isTyping(event: KeyboardEvent): boolean {
  const target = event.target as HTMLElement
  return target.isContentEditable || target.closest('input, textarea, select, [role="dialog"]') !== null
}
