/** One dataset: how much of it is labelled, as what, and its images under a filter that is also the address. */
import { Modal } from '@mantine/core'
import { useState } from 'react'
import { Link, useParams, useSearchParams } from 'react-router'
import { imageUrl, thumbnailUrl } from '../api/client.ts'
import { useDataset, useImages, useOpenSessions } from '../api/queries.ts'
import type { DatasetDetail, ImageRow } from '../api/types.ts'
import { count, moment, percent, short, size } from '../parts/format.ts'
import { Empty, Facts, Failure, Loaded, Page, Section, Skeleton } from '../parts/page.tsx'

export default function Dataset() {
  const { name = '' } = useParams()
  return <Loaded query={useDataset(name)}>{(dataset) => <DatasetView dataset={dataset} />}</Loaded>
}

function DatasetView({ dataset }: { dataset: DatasetDetail }) {
  const session = useOpenSessions().find((one) => one.dataset === dataset.name)
  return (
    <Page
      kind="dataset"
      title={dataset.name}
      lineage={
        <>
          version <code>{short(dataset.version)}</code>
          {session ? (
            <>
              {' · '}being labelled in <Link to={`/labelling/${session.id}`}>{session.id}</Link>
            </>
          ) : null}
        </>
      }
    >
      <Facts
        facts={[
          ['Images', count(dataset.images)],
          [
            'Labelled',
            `${count(dataset.labelled)} (${percent(dataset.images ? dataset.labelled / dataset.images : 0, 0)})`,
          ],
          ['Seen by a person', count(dataset.humanSeen)],
          ['Train / held out', `${count(dataset.splits.train)} / ${count(dataset.splits.test)}`],
          ['Left out', count(dataset.excluded)],
        ]}
      />
      <Browser dataset={dataset} />
      <Section title="Versions">
        <ul className="plain">
          {dataset.history.map(({ version, at, images }, index) => (
            <li key={`${version}${index}`}>
              <code>{short(version)}</code>
              <span className="muted">
                {at ? moment(at) : ''} {images === null ? '' : `, ${count(images)} images`}
              </span>
            </li>
          ))}
        </ul>
      </Section>
    </Page>
  )
}

function Browser({ dataset }: { dataset: DatasetDetail }) {
  const [search, setSearch] = useSearchParams()
  const label = search.get('label')
  const split = search.get('split')
  const [shown, setShown] = useState<ImageRow | null>(null)
  const images = useImages(dataset.name, { label, split })
  const rows = images.data?.pages.flatMap((page) => page.images) ?? []
  const filter = (key: 'label' | 'split', value: string | null) =>
    setSearch((old) => {
      const next = new URLSearchParams(old)
      if (value) next.set(key, value)
      else next.delete(key)
      return next
    })
  const most = Math.max(1, ...dataset.classes.map((one) => one.images))
  return (
    <Section
      title="Images"
      aside={
        <div className="filters" role="group" aria-label="Filter by split">
          {([null, 'train', 'test'] as const).map((value) => (
            <button
              key={value ?? 'all'}
              type="button"
              aria-pressed={split === value}
              onClick={() => filter('split', value)}
            >
              {value === 'test' ? 'held out' : (value ?? 'all')}
            </button>
          ))}
        </div>
      }
    >
      <div className="browser">
        <ul className="class-list" aria-label="Filter by class">
          <li>
            <button type="button" aria-pressed={!label} onClick={() => filter('label', null)}>
              <span>any class</span>
              <span className="figure">{count(dataset.images)}</span>
            </button>
          </li>
          {dataset.classes.map((one) => (
            <li key={one.class}>
              <button type="button" aria-pressed={label === one.class} onClick={() => filter('label', one.class)}>
                <span>{one.class}</span>
                <span className="figure">{count(one.images)}</span>
                <span className="class-bar" style={{ inlineSize: `${(one.images / most) * 100}%` }} />
              </button>
            </li>
          ))}
        </ul>
        <div className="browser-images">
          {images.error ? <Failure error={images.error} /> : null}
          {images.isPending ? <Skeleton /> : null}
          {images.data && !rows.length ? <Empty title="No image fits this filter." /> : null}
          <ul className="image-grid">
            {rows.map((row) => (
              <li key={row.digest}>
                <button type="button" onClick={() => setShown(row)}>
                  <img
                    className="thumbnail"
                    src={thumbnailUrl(dataset.name, row.digest, 160)}
                    alt={row.source}
                    loading="lazy"
                  />
                  <span className="tag" data-none={!row.label}>
                    {row.excluded ?? row.label ?? 'no label'}
                  </span>
                </button>
              </li>
            ))}
          </ul>
          {images.hasNextPage ? (
            <button
              type="button"
              className="more"
              disabled={images.isFetchingNextPage}
              onClick={() => void images.fetchNextPage()}
            >
              Show more images
            </button>
          ) : null}
        </div>
      </div>
      <Modal opened={shown !== null} onClose={() => setShown(null)} size="lg" title={shown?.source ?? ''}>
        {shown ? <Original dataset={dataset.name} row={shown} /> : null}
      </Modal>
    </Section>
  )
}

function Original({ dataset, row }: { dataset: string; row: ImageRow }) {
  return (
    <>
      <img className="original" src={imageUrl(dataset, row.digest)} alt={row.source} data-small={row.width < 200} />
      <Facts
        facts={[
          ['Class', row.label ?? 'no label'],
          ['Judged by', ORIGINS[row.origin ?? 'none']],
          ['Split', row.split === 'test' ? 'held out' : 'train'],
          ['Pixels', `${row.width} × ${row.height}`],
          ['File', `${row.format}, ${size(row.sizeBytes)}`],
          ['Digest', <code key="digest">{short(row.digest)}</code>],
        ]}
      />
    </>
  )
}

const ORIGINS = {
  human: 'a person, on this image',
  inferred: 'a person, on its group',
  predicted: 'a model',
  imported: 'the import',
  none: 'nobody',
} as const
