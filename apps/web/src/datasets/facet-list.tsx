/** What the images are made of, column by column; a value or a range picked here narrows the query. */
import { useState } from 'react'
import { count } from '../parts/format.ts'
import { Icon } from '../parts/icon.tsx'
import { numberOf, rankOf, titleOf, wordOf } from './columns.ts'
import { isPicked, type Filter } from './filter.ts'
import type { Bucket, Facet } from './types.ts'

const VALUES_AT_ONCE = 12
/** The columns that people filter by most stand open. */
const OPEN = new Set(['label', 'split', 'origin', 'excluded', 'blur', 'brightness'])

interface FacetListProps {
  readonly facets: readonly Facet[]
  readonly filter: Filter
  readonly onToggle: (column: string, bucket: Bucket, widen: boolean) => void
}

export function FacetList({ facets, filter, onToggle }: FacetListProps) {
  const shown = facets.filter(({ buckets }) => buckets.length).toSorted((a, b) => rankOf(a.column) - rankOf(b.column))
  return shown.map((facet) => (
    <details key={facet.column} className="facet" open={OPEN.has(facet.column) || isUsed(filter, facet.column)}>
      <summary>
        {titleOf(facet.column)}
        {isUsed(filter, facet.column) ? <Icon name="completed" size={13} /> : null}
      </summary>
      {facet.kind === 'values' ? (
        <Values facet={facet} filter={filter} onToggle={onToggle} />
      ) : (
        <Histogram facet={facet} filter={filter} onToggle={onToggle} />
      )}
    </details>
  ))
}

const isUsed = ({ picks }: Filter, column: string): boolean => picks.some((pick) => pick.column === column)

interface FacetProps extends Omit<FacetListProps, 'facets'> {
  readonly facet: Facet
}

function Values({ facet, filter, onToggle }: FacetProps) {
  const [all, setAll] = useState(false)
  const most = Math.max(1, ...facet.buckets.map(({ images }) => images))
  const shown = all ? facet.buckets : facet.buckets.slice(0, VALUES_AT_ONCE)
  return (
    <ul className="class-list" aria-label={titleOf(facet.column)}>
      {shown.map((bucket) => (
        <li key={String(bucket.value)}>
          <button
            type="button"
            aria-pressed={isPicked(filter, facet.column, bucket)}
            onClick={() => onToggle(facet.column, bucket, false)}
          >
            <span className="facet-word" data-none={bucket.value === null}>
              {wordOf(facet.column, bucket.value ?? null)}
            </span>
            <span className="figure">{count(bucket.images)}</span>
            <span className="class-bar" style={{ inlineSize: `${(bucket.images / most) * 100}%` }} />
          </button>
        </li>
      ))}
      {facet.buckets.length > VALUES_AT_ONCE ? (
        <li>
          <button type="button" className="facet-more" onClick={() => setAll(!all)}>
            {all ? 'Fewer' : `${count(facet.buckets.length - VALUES_AT_ONCE)} more`}
          </button>
        </li>
      ) : null}
      {facet.more && (all || facet.buckets.length <= VALUES_AT_ONCE) ? (
        <li className="facet-note">and rarer ones; name them in the query</li>
      ) : null}
    </ul>
  )
}

function Histogram({ facet, filter, onToggle }: FacetProps) {
  const { column, buckets } = facet
  const most = Math.max(1, ...buckets.map(({ images }) => images))
  const [first, last] = [buckets[0]!, buckets.at(-1)!]
  return (
    <div className="histogram">
      <ul aria-label={`${titleOf(column)}, as a histogram; Shift widens the range`}>
        {buckets.map((bucket) => {
          const span = `${numberOf(column, bucket.from!)}–${numberOf(column, bucket.to!)}`
          return (
            <li key={bucket.from}>
              <button
                type="button"
                aria-pressed={isPicked(filter, column, bucket)}
                aria-label={`${titleOf(column)} ${span}: ${count(bucket.images)} images`}
                title={`${span}: ${count(bucket.images)}`}
                onClick={(event) => onToggle(column, { ...bucket, isLast: bucket === last }, event.shiftKey)}
              >
                <span style={{ blockSize: bucket.images ? `${Math.max(4, (bucket.images / most) * 100)}%` : 0 }} />
              </button>
            </li>
          )
        })}
      </ul>
      <p className="histogram-ends">
        <span>{numberOf(column, first.from!)}</span>
        <span>{numberOf(column, last.to!)}</span>
      </p>
    </div>
  )
}
