/** What a step left, shown by its kind: images as thumbnails, tables by their first rows, reports in a frame that runs nothing. */
import { useState, type ReactNode } from 'react'
import { Link } from 'react-router'
import { blobUrl, thumbnailUrl } from '../api/client.ts'
import { useImages, usePeek } from '../api/queries.ts'
import { count, counted, figure, percent, short, size } from '../parts/format.ts'
import { Icon } from '../parts/icon.tsx'
import { Failure, Skeleton } from '../parts/page.tsx'
import { artifactsIn, rowsIn, type Artifact } from './artifact-kinds.ts'

export function Artifacts({ outputs }: { outputs: unknown }) {
  const artifacts = artifactsIn(outputs)
  return (
    <>
      {artifacts.length ? (
        <ul className="artifacts">
          {artifacts.map((artifact) => (
            <li key={artifact.path}>
              <Preview artifact={artifact} />
            </li>
          ))}
        </ul>
      ) : null}
      <details>
        <summary>All of it as JSON</summary>
        <pre className="json" tabIndex={0}>
          {JSON.stringify(outputs, null, 2)}
        </pre>
      </details>
    </>
  )
}

function Preview({ artifact }: { artifact: Artifact }) {
  switch (artifact.kind) {
    case 'dataset-version':
      return <DatasetImages name={artifact.path} dataset={artifact.dataset} version={artifact.version} />
    case 'report':
      return <Report name={artifact.path} sha256={artifact.sha256} />
    case 'link':
      return (
        <Row name={artifact.path}>
          <Link to={artifact.to}>{artifact.text}</Link>
        </Row>
      )
    case 'figure':
      return (
        <Row name={artifact.path}>
          <span className="figure">{figureText(artifact.path, artifact.value)}</span>
        </Row>
      )
    case 'rows':
      return (
        <>
          <Row name={artifact.path}>{counted(artifact.rows.length, 'row')}</Row>
          <Rows
            name={artifact.path}
            rows={artifact.rows.slice(0, ROWS_AT_ONCE)}
            isAll={artifact.rows.length <= ROWS_AT_ONCE}
          />
        </>
      )
    case 'table':
      return <File name={artifact.path} sha256={artifact.sha256} note={counted(artifact.rows, 'row')} open />
    case 'file':
      return <File name={artifact.path} sha256={artifact.sha256} note={size(artifact.sizeBytes)} />
  }
}

function Row({ name, children }: { name: string; children: ReactNode }) {
  return (
    <p className="artifact-row">
      <span className="muted">{name || 'output'}</span>
      {children}
    </p>
  )
}

function figureText(path: string, value: string | number | boolean): string {
  if (typeof value === 'boolean') return value ? 'yes' : 'no'
  if (typeof value === 'string') return value
  if (/(accuracy|agree|atLeast|confidence|share)$/.test(path) && value <= 1) return percent(value)
  return figure(value)
}

const THUMBNAILS = 18

function DatasetImages({ name, dataset, version }: { name: string; dataset: string; version: string }) {
  const images = useImages(dataset, { label: null, split: null, ref: version, limit: THUMBNAILS })
  const rows = images.data?.pages[0]?.images ?? []
  return (
    <>
      <Row name={name}>
        <Link to={`/datasets/${dataset}`}>{dataset}</Link>
        <code className="muted">{short(version)}</code>
      </Row>
      {images.error ? <Failure error={images.error} /> : null}
      <ul className="thumbnails" aria-label={`Images of ${dataset}`}>
        {rows.map((row) => (
          <li key={row.digest}>
            <img
              className="thumbnail"
              src={thumbnailUrl(dataset, row.digest, 96)}
              alt={row.label ?? row.source}
              title={row.label ? `${row.label}, ${row.source}` : row.source}
              loading="lazy"
              width={96}
              height={96}
            />
          </li>
        ))}
      </ul>
    </>
  )
}

function Report({ name, sha256 }: { name: string; sha256: string }) {
  return (
    <>
      <Row name={name}>
        <a href={`/api/reports/${sha256}`} target="_blank" rel="noreferrer">
          open in a tab <Icon name="out" size={13} />
        </a>
      </Row>
      <iframe className="report" sandbox="" src={`/api/reports/${sha256}`} title={name} loading="lazy" />
    </>
  )
}

function File({ name, sha256, note, open = false }: { name: string; sha256: string; note: string; open?: boolean }) {
  const [shown, setShown] = useState(open)
  return (
    <>
      <Row name={name}>
        <span>{note}</span>
        <button type="button" className="quiet-button" aria-expanded={shown} onClick={() => setShown(!shown)}>
          {shown ? 'Hide' : 'Look'}
        </button>
        <a href={blobUrl(sha256, fileName(name))} download>
          Download
        </a>
      </Row>
      {shown ? <Content name={name} sha256={sha256} /> : null}
    </>
  )
}

const fileName = (path: string): string => path.replace(/[^\w.-]+/g, '-') || 'output'

const ROWS_AT_ONCE = 20

function Content({ name, sha256 }: { name: string; sha256: string }) {
  const peek = usePeek(sha256, true)
  if (peek.error) return <Failure error={peek.error} />
  if (!peek.data) return <Skeleton />
  const { type, text, isWhole } = peek.data
  if (type.startsWith('image/')) return <img className="original" src={blobUrl(sha256)} alt={name} />
  if (text === null) return <p className="muted">These bytes are no text and no image.</p>
  if (/^\s*<(!doctype html|html)/i.test(text)) return <Report name={name} sha256={sha256} />
  const rows = rowsIn(text)
  if (rows)
    return <Rows name={name} rows={rows.slice(0, ROWS_AT_ONCE)} isAll={isWhole && rows.length <= ROWS_AT_ONCE} />
  return (
    <pre className="json" tabIndex={0}>
      {pretty(text)}
      {isWhole ? '' : '\n…'}
    </pre>
  )
}

function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2)
  } catch {
    return text
  }
}

function Rows({
  name,
  rows,
  isAll,
}: {
  name: string
  rows: readonly Readonly<Record<string, unknown>>[]
  isAll: boolean
}) {
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))]
  return (
    <>
      <div className="table-frame" tabIndex={0} role="region" aria-label={`Rows of ${name}`}>
        <table>
          <thead>
            <tr>
              {columns.map((column) => (
                <th key={column} scope="col">
                  {column}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((row, index) => (
              <tr key={index}>
                {columns.map((column) => (
                  <td key={column}>{cellText(row[column])}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {isAll ? null : <p className="muted">The first {count(rows.length)} rows.</p>}
    </>
  )
}

function cellText(value: unknown): string {
  if (value === undefined || value === null) return ''
  if (typeof value === 'number') return figure(value)
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}
