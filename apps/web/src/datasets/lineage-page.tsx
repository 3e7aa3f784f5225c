/** From what this version was made, and what was made of it: imports, versions, models, endpoints, from left to right. */
import type { ReactNode } from 'react'
import { Link } from 'react-router'
import { count, counted, moment, short } from '../parts/format.ts'
import { Loaded } from '../parts/page.tsx'
import { useShown } from './frame.tsx'
import { useLineage } from './queries.ts'
import type { DatasetLineage } from './types.ts'

/** The versions between that are listed; all of them stand in the history. */
const VERSIONS = 8

export default function LineagePage() {
  const { dataset } = useShown()
  return (
    <div className="page">
      <Loaded query={useLineage(dataset.name, dataset.version)}>{(lineage) => <Flow lineage={lineage} />}</Loaded>
    </div>
  )
}

function Flow({ lineage: { dataset, version, imports, versions, models, endpoints } }: { lineage: DatasetLineage }) {
  const seen = new Set(imports.map((entry) => entry.version))
  const between = versions.filter((entry) => !seen.has(entry.version) || entry.version === version)
  return (
    <div className="flow">
      <Column title="Imports" empty="No run imported it; its images came another way.">
        {imports.map(({ version: made, source, run, at, images }) => (
          <li key={`${made}${run}`}>
            <p className="id">{source ?? 'a source that was not kept'}</p>
            <p className="muted">
              {images === null ? '' : `${counted(images, 'image')}, `}
              {moment(at)}
            </p>
            <p>{run ? <Link to={`/runs/${run}`}>{run}</Link> : null}</p>
          </li>
        ))}
      </Column>
      <Column
        title="Versions"
        empty="Nothing came between."
        after={
          between.length > VERSIONS ? (
            <Link to={`/datasets/${dataset}/versions`}>{count(between.length - VERSIONS)} earlier ones</Link>
          ) : null
        }
      >
        {between.slice(0, VERSIONS).map((entry) => (
          <li key={entry.version} data-shown={entry.version === version}>
            <p>
              <Link to={`/datasets/${dataset}?ref=${entry.version}`}>
                <code>{short(entry.version)}</code>
              </Link>
              {entry.version === version ? <span className="muted"> this one</span> : null}
            </p>
            <p>{entry.note || 'no note'}</p>
            <p className="muted">
              {moment(entry.at)}, {entry.run ? <Link to={`/runs/${entry.run}`}>{entry.run}</Link> : entry.by}
            </p>
          </li>
        ))}
      </Column>
      <Column title="Models" empty="No model learnt from it yet.">
        {models.map((model) => (
          <li key={`${model.name}${model.version}`}>
            <p className="id">
              <Link to={`/models/${model.name}`}>
                {model.name} v{model.version}
              </Link>
            </p>
            <p className="muted">
              {model.trained ? 'learnt from' : 'measured on'}{' '}
              <Link to={`/datasets/${dataset}?ref=${model.dataset}`}>
                <code>{short(model.dataset)}</code>
              </Link>
            </p>
          </li>
        ))}
      </Column>
      <Column title="Endpoints" empty="No endpoint serves such a model.">
        {endpoints.map((endpoint) => (
          <li key={`${endpoint.name}${endpoint.revision}`}>
            <p className="id">
              <Link to="/endpoints">{endpoint.name}</Link>
            </p>
            <p className="muted">
              {endpoint.model.name} v{endpoint.model.version}, {endpoint.share} % of its traffic
            </p>
          </li>
        ))}
      </Column>
    </div>
  )
}

interface ColumnProps {
  readonly title: string
  readonly empty: string
  readonly after?: ReactNode
  readonly children: readonly ReactNode[]
}

function Column({ title, empty, after, children }: ColumnProps) {
  return (
    <section className="flow-column">
      <h2>{title}</h2>
      {children.length ? <ul>{children}</ul> : <p className="muted">{empty}</p>}
      {after}
    </section>
  )
}
