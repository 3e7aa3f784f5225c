/** What needs a person, where the loop stands, and what ran last. */
import type { ReactNode } from 'react'
import { Link } from 'react-router'
import { useApprovals, useDatasets, useEndpoints, useModels, useOpenSessions, useRuns } from '../api/queries.ts'
import { count, counted, percent } from '../parts/format.ts'
import { Icon } from '../parts/icon.tsx'
import { Empty, Loaded, Page, Section } from '../parts/page.tsx'
import { Badge } from '../parts/state.tsx'
import { RunTable } from './run-table.tsx'

export function Home() {
  const runs = useRuns()
  return (
    <Page title="Home">
      <Wanted />
      <Loop />
      <Section title="Latest runs" aside={<Link to="/runs">All runs</Link>}>
        <Loaded query={runs}>
          {(list) =>
            list.length ? (
              <RunTable runs={list.slice(0, 6)} />
            ) : (
              <Empty title="Nothing has run yet." command="./gyre demo">
                The demo draws an image set, labels it, trains on it and puts the model behind an endpoint, in a minute
                or two.
              </Empty>
            )
          }
        </Loaded>
      </Section>
    </Page>
  )
}

/** Open labelling sessions, runs that wait, runs that failed: what a person can act on now. */
function Wanted() {
  const sessions = useOpenSessions()
  const runs = useRuns().data ?? []
  const labelling = new Set(sessions.map(({ run }) => run))
  // Those that this person may answer stand first.
  const approvals = (useApprovals().data ?? []).toSorted((a, b) => Number(b.mayAnswer) - Number(a.mayAnswer))
  const told = new Set([...labelling, ...approvals.map(({ run }) => run)])
  const waiting = runs.filter(({ id, status }) => status === 'waiting' && !told.has(id))
  const failed = runs.filter(({ status }) => status === 'failed').slice(0, 3)
  if (!sessions.length && !approvals.length && !waiting.length && !failed.length) return null
  return (
    <Section title="Wants a person">
      <ul className="wanted">
        {sessions.map(({ id, dataset, state }) => (
          <Wish key={id} to={`/labelling/${id}`} badge={<Badge tone="attention" icon="labelling" word="labelling" />}>
            {dataset}: {count(state.labelled)} of {counted(state.images, 'image')} labelled
          </Wish>
        ))}
        {approvals.map(({ run, node, question, mayAnswer }) => (
          <Wish
            key={`${run} ${node}`}
            to={`/runs/${run}`}
            badge={<Badge tone="attention" icon="waiting" word={mayAnswer ? 'your approval' : 'approval of others'} />}
          >
            {question} <span className="muted">{run}</span>
          </Wish>
        ))}
        {waiting.map(({ id }) => (
          <Wish key={id} to={`/runs/${id}`} badge={<Badge tone="attention" icon="waiting" word="waiting" />}>
            {id}
          </Wish>
        ))}
        {failed.map(({ id }) => (
          <Wish key={id} to={`/runs/${id}`} badge={<Badge tone="bad" icon="failed" word="failed" />}>
            {id}
          </Wish>
        ))}
      </ul>
    </Section>
  )
}

function Wish({ to, badge, children }: { to: string; badge: ReactNode; children: ReactNode }) {
  return (
    <li>
      <Link to={to}>
        {badge}
        <span className="wish-text">{children}</span>
        <Icon name="arrow" />
      </Link>
    </li>
  )
}

/** data → label → train → deploy, each with the figure that tells where it stands. */
function Loop() {
  const datasets = useDatasets().data ?? []
  const models = useModels().data ?? []
  const endpoints = useEndpoints().data ?? []
  const images = datasets.reduce((sum, dataset) => sum + dataset.images, 0)
  const labelled = datasets.reduce((sum, dataset) => sum + dataset.labelled, 0)
  const best = Math.max(...models.map(({ accuracy }) => accuracy ?? 0), 0)
  const ready = endpoints.flatMap(({ revisions }) => revisions).reduce((sum, revision) => sum + revision.ready, 0)
  const stages = [
    ['Data', '/datasets', count(images), `image${images === 1 ? '' : 's'} in ${counted(datasets.length, 'dataset')}`],
    ['Label', '/labelling', images ? percent(labelled / images, 0) : '–', 'of the images have a label'],
    ['Train', '/models', best ? percent(best) : '–', `best accuracy of ${counted(models.length, 'model')}`],
    [
      'Deploy',
      '/endpoints',
      count(ready),
      `replica${ready === 1 ? '' : 's'} behind ${counted(endpoints.length, 'endpoint')}`,
    ],
  ] as const
  return (
    <ol className="loop" aria-label="The loop">
      {stages.map(([name, to, figure, text]) => (
        <li key={name}>
          <Link to={to}>
            <span className="loop-name">{name}</span>
            <span className="loop-figure">{figure}</span>
            <span className="muted">{text}</span>
          </Link>
        </li>
      ))}
    </ol>
  )
}
