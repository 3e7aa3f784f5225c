/** One image as it stands in one version: its bytes, what is known of it, what looks like it, and what can be done. */
import { Modal } from '@mantine/core'
import { useEffect, type ReactNode } from 'react'
import { Link } from 'react-router'
import { imageUrl } from '../api/client.ts'
import { moment, percent, short, size } from '../parts/format.ts'
import { Failure, Skeleton } from '../parts/page.tsx'
import { ActionButtons } from './actions.tsx'
import { numberOf, titleOf, wordOf } from './columns.ts'
import { useShown } from './frame.tsx'
import { useRow, useSimilar } from './queries.ts'
import { Tiles } from './tiles.tsx'
import type { Row } from './types.ts'

interface DetailProps {
  readonly digest: string
  readonly onClose: () => void
  readonly onOpen: (digest: string) => void
  /** To the image before or after it; left out where there is no order. */
  readonly onStep?: (by: 1 | -1) => void
}

export function ImageDetail({ digest, onClose, onOpen, onStep }: DetailProps) {
  const { dataset } = useShown()
  const row = useRow(dataset.name, dataset.version, digest)
  useEffect(() => {
    if (!onStep) return
    const onKey = (event: KeyboardEvent) => {
      if ((event.target as HTMLElement).closest('input, textarea, select')) return
      if (event.key === 'ArrowRight' || event.key === 'j') onStep(1)
      else if (event.key === 'ArrowLeft' || event.key === 'k') onStep(-1)
      else return
      event.preventDefault()
    }
    window.addEventListener('keydown', onKey)
    return () => window.removeEventListener('keydown', onKey)
  }, [onStep])
  return (
    <Modal opened onClose={onClose} size="min(1080px, 100%)" title={row.data?.source ?? short(digest)}>
      {row.error ? <Failure error={row.error} /> : null}
      {row.data === undefined && !row.error ? <Skeleton /> : null}
      {row.data === null ? <p>Version {short(dataset.version)} has no such image.</p> : null}
      {row.data ? <Detail row={row.data} onOpen={onOpen} /> : null}
    </Modal>
  )
}

function Detail({ row, onOpen }: { row: Row; onOpen: (digest: string) => void }) {
  const { dataset, ref } = useShown()
  return (
    <div className="detail">
      <div className="detail-image">
        <img
          src={imageUrl(dataset.name, row.digest)}
          alt={row.source}
          data-small={row.width < 200}
          width={row.width}
          height={row.height}
        />
      </div>
      <div className="detail-facts">
        {row.excluded === null ? null : <p className="notice-line">Left out: {row.excluded}</p>}
        <dl className="pairs-list">
          {factsOf(row).map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
        </dl>
        <div className="buttons">
          <ActionButtons
            images={1}
            target={{ digests: [row.digest] }}
            actions={[row.excluded === null ? 'exclude' : 'include', 'label', 'ask', 'tag']}
          />
        </div>
      </div>
      <Alike
        digest={row.digest}
        onOpen={onOpen}
        all={`/datasets/${dataset.name}/similar?to=${row.digest}${ref === 'latest' ? '' : `&ref=${ref}`}`}
      />
    </div>
  )
}

const MEASURES = ['blur', 'brightness', 'contrast', 'entropy', 'colour'] as const

function factsOf(row: Row): readonly (readonly [name: string, value: ReactNode])[] {
  const attributes = row.attributes ? Object.entries(JSON.parse(row.attributes) as Record<string, unknown>) : []
  return [
    [titleOf('label'), row.label ?? 'no label'],
    [titleOf('origin'), wordOf('origin', row.origin)],
    [titleOf('split'), wordOf('split', row.split)],
    ...(row.tags?.length ? [['Tags', row.tags.join(', ')] as const] : []),
    ...attributes.map(([name, value]) => [name, String(value)] as const),
    ...(row.boxes ? [['Boxes', `${row.boxes} (${row.boxClasses?.join(', ') ?? ''})`] as const] : []),
    ['Pixels', `${row.width} × ${row.height}`],
    ['File', `${row.format}, ${size(row.sizeBytes)}`],
    ...MEASURES.flatMap((column) => {
      const value = row[column]
      return value === null ? [] : [[titleOf(column), numberOf(column, value)] as const]
    }),
    ...(row.camera ? [['Camera', row.camera] as const] : []),
    ...(row.takenAt ? [['Taken', moment(row.takenAt)] as const] : []),
    ['Digest', <code key="digest">{short(row.digest)}</code>],
  ]
}

const ALIKE = 12

function Alike({ digest, onOpen, all }: { digest: string; onOpen: (digest: string) => void; all: string }) {
  const { dataset } = useShown()
  const similar = useSimilar(dataset.name, dataset.version, digest, ALIKE)
  return (
    <section className="detail-alike" aria-label="Similar images">
      <div className="section-head">
        <h3>Similar</h3>
        {similar.data?.rows.length ? <Link to={all}>all of them</Link> : null}
      </div>
      {similar.error ? <p className="muted">{similar.error.message}</p> : null}
      {similar.isPending ? <Skeleton /> : null}
      {similar.data ? (
        <Tiles
          dataset={dataset.name}
          label="Similar images"
          items={similar.data.rows.map((one) => ({
            digest: one.digest,
            name: `${percent(one.similarity, 0)} similar`,
            foot: percent(one.similarity, 0),
          }))}
          onOpen={onOpen}
        />
      ) : null}
    </section>
  )
}
