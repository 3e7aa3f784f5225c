/** One task: how far it is, then its results. */
import { Button } from '@mantine/core'
import { useState } from 'react'
import { useParams } from 'react-router'
import { isOver, useAction, useBatch, useBatchRows, useMay } from '../api/queries.ts'
import type { BatchRow, BatchView } from '../api/types.ts'
import { count, elapsed, percent } from '../parts/format.ts'
import { Icon } from '../parts/icon.tsx'
import { Bar, Empty, Facts, Failure, Lineage, Loaded, Page, Section } from '../parts/page.tsx'
import { State } from '../parts/state.tsx'
import { Table } from '../parts/table.tsx'

const SHOWN = 200

export default function Task() {
  const { id = '' } = useParams()
  return <Loaded query={useBatch(id)}>{(batch) => <TaskView batch={batch} />}</Loaded>
}

function TaskView({ batch }: { batch: BatchView }) {
  const cancel = useAction(`/api/runs/${batch.id}/cancel`)
  const resume = useAction(`/api/runs/${batch.id}/resume`)
  const may = useMay('run')
  const stopped = batch.status === 'failed' || batch.status === 'cancelled'
  return (
    <Page
      kind="task"
      title={batch.id}
      state={<State status={batch.status} />}
      action={
        <>
          {may && !isOver(batch.status) ? (
            <Button variant="default" loading={cancel.isPending} onClick={() => cancel.mutate({})}>
              Cancel task
            </Button>
          ) : null}
          {may && stopped ? (
            <Button loading={resume.isPending} onClick={() => resume.mutate({})}>
              Resume task
            </Button>
          ) : null}
          {batch.ready ? (
            <>
              <Button component="a" href={`/api/batches/${batch.id}/results.csv`} download>
                Download CSV
              </Button>
              <Button component="a" variant="default" href={`/api/batches/${batch.id}/gallery.html`} target="_blank">
                Open gallery
              </Button>
            </>
          ) : null}
        </>
      }
      lineage={
        <>
          {batch.model} over {batch.source} · <Lineage links={[['run', batch.id, `/runs/${batch.id}`]]} />
        </>
      }
    >
      {batch.status === 'failed' ? (
        <Failure title="The task failed" error={new Error(batch.reason ?? 'See its run for the cause.')} />
      ) : null}
      {cancel.error || resume.error ? <Failure error={cancel.error ?? resume.error} /> : null}
      {isOver(batch.status) || batch.images === null ? null : (
        <div className="progress progress-wide">
          <Bar done={batch.done} total={batch.images} label="Images done" />
        </div>
      )}
      <Facts
        facts={[
          ['Images', batch.images === null ? count(batch.done) : `${count(batch.done)} of ${count(batch.images)}`],
          ['Failed', count(batch.failed.length)],
          [batch.endedAt ? 'Took' : 'For', elapsed(batch.startedAt, batch.endedAt)],
        ]}
      />
      {batch.ready ? <Results id={batch.id} /> : null}
      {batch.failed.length ? (
        <Section title="Images that failed">
          <ul className="plain">
            {batch.failed.slice(0, SHOWN).map(({ path, reason }) => (
              <li key={path}>
                <span className="bad">
                  <Icon name="failed" size={14} /> {path}
                </span>
                <span className="muted">{reason}</span>
              </li>
            ))}
          </ul>
        </Section>
      ) : null}
    </Page>
  )
}

function Results({ id }: { id: string }) {
  const [wanted, setWanted] = useState<string | null>(null)
  return (
    <Section title="Results">
      <Loaded query={useBatchRows(id, true)}>
        {(all) => {
          const rows = all.filter((row) => row.class !== null)
          if (!rows.length) return <Empty title="No image gave a result." />
          const classes = tally(rows)
          const shown = rows.filter((row) => wanted === null || row.class === wanted)
          return (
            <>
              <div className="filters" role="group" aria-label="Filter by class">
                <button type="button" aria-pressed={wanted === null} onClick={() => setWanted(null)}>
                  all <span className="muted">{count(rows.length)}</span>
                </button>
                {classes.map(([name, images]) => (
                  <button key={name} type="button" aria-pressed={wanted === name} onClick={() => setWanted(name)}>
                    {name} <span className="muted">{count(images)}</span>
                  </button>
                ))}
              </div>
              <Table
                label="Results"
                rows={shown}
                keyOf={({ path }) => path}
                columns={[
                  { title: 'Image', cell: ({ path }) => path },
                  { title: 'Class', cell: ({ class: name }) => name ?? '–' },
                  { title: 'Score', cell: ({ score }) => (score === null ? '–' : percent(score)), figures: true },
                ]}
              />
            </>
          )
        }}
      </Loaded>
    </Section>
  )
}

/** Images by class, the most frequent class first. */
function tally(rows: readonly BatchRow[]): [string, number][] {
  const tallied = new Map<string, number>()
  for (const { class: name } of rows) if (name !== null) tallied.set(name, (tallied.get(name) ?? 0) + 1)
  return [...tallied].sort((a, b) => b[1] - a[1])
}
