/** A few images in a row or a grid, each with what makes it stand here. For what has a bound; the rest has `ImageGrid`. */
import type { MouseEvent, ReactNode } from 'react'
import { thumbnailUrl } from '../api/client.ts'
import { Icon } from '../parts/icon.tsx'

export interface TileItem {
  readonly digest: string
  readonly name: string
  readonly foot?: ReactNode
}

interface TilesProps {
  readonly dataset: string
  readonly label: string
  readonly items: readonly TileItem[]
  readonly onOpen: (digest: string) => void
  /** Left out where images are only looked at. */
  readonly selected?: ReadonlySet<string>
  readonly onToggle?: (digest: string) => void
}

export function Tiles({ dataset, label, items, onOpen, selected, onToggle }: TilesProps) {
  const onClick = (event: MouseEvent, digest: string) => {
    if (onToggle && (event.ctrlKey || event.metaKey)) onToggle(digest)
    else onOpen(digest)
  }
  return (
    <ul className="tile-list" aria-label={label}>
      {items.map(({ digest, name, foot }) => (
        <li key={digest} data-selected={selected?.has(digest)}>
          <button type="button" className="tile-open" aria-label={name} onClick={(event) => onClick(event, digest)}>
            <img className="thumbnail" src={thumbnailUrl(dataset, digest, 160)} alt="" loading="lazy" />
          </button>
          {onToggle ? (
            <button
              type="button"
              className="tile-check"
              aria-pressed={selected?.has(digest) ?? false}
              aria-label={`Select ${name}`}
              onClick={() => onToggle(digest)}
            >
              {selected?.has(digest) ? <Icon name="completed" size={13} /> : null}
            </button>
          ) : null}
          {foot ? <span className="tile-foot">{foot}</span> : null}
        </li>
      ))}
    </ul>
  )
}

/** `scratch → dent`; a class that is not there is said so. */
export function FromTo({ from, to }: { from: ReactNode; to: ReactNode }) {
  return (
    <span className="from-to">
      <span className="from">{from}</span>
      <Icon name="arrow" size={12} />
      <span className="visually-hidden">becomes</span>
      <span className="to">{to}</span>
    </span>
  )
}
