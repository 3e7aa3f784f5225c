/** What ails this version, the worst first: each finding with its images, what to do about it, and the way to do it. */
import { useState } from 'react'
import { Link, useSearchParams } from 'react-router'
import { count, counted, figure, percent, short } from '../parts/format.ts'
import { Empty, Facts, Section, Skeleton } from '../parts/page.tsx'
import { Badge } from '../parts/state.tsx'
import { ActionButtons, type Target } from './actions.tsx'
import { useShown } from './frame.tsx'
import { ImageDetail } from './image-detail.tsx'
import { useDatasetHealth, useLack, useList } from './queries.ts'
import { StartRun } from './start-run.tsx'
import { Tiles } from './tiles.tsx'
import type { Finding, HealthReport } from './types.ts'

const SEVERITIES = {
  bad: <Badge tone="bad" icon="failed" word="wrong results while it stands" />,
  attention: <Badge tone="attention" icon="attention" word="look at it" />,
  note: <Badge tone="quiet" icon="unsure" word="good to know" />,
} as const

/** Images shown before a person asks for more. */
const FIRST = 12

export default function HealthPage() {
  const { dataset, ref } = useShown()
  const [search, setSearch] = useSearchParams()
  const health = useDatasetHealth(dataset.name, dataset.version, search.get('against'))
  const lack = useLack(health, dataset.version)
  const open = (digest: string | null) =>
    setSearch((old) => {
      const next = new URLSearchParams(old)
      if (digest) next.set('image', digest)
      else next.delete('image')
      return next
    })
  const image = search.get('image')
  const at = ref === 'latest' ? dataset.name : `${dataset.name}@${ref}`
  return (
    <div className="page">
      {health.isPending && !lack ? <Skeleton /> : null}
      {lack ? (
        <Empty title="The health of this version was not checked yet." command={`gyre dataset health ${at}`}>
          <p>{lack.message}</p>
          <p>
            A check looks for dark, blurry, odd and grey images, for classes that are rare or nowhere held out, for
            labels that look wrong, for metadata that give the class away, and for drift against another version.
          </p>
          <StartRun
            pipeline="dataset-health"
            params={{ dataset: dataset.name, ref: dataset.version }}
            verb="Check it now"
          />
        </Empty>
      ) : null}
      {health.data ? <Report report={health.data} onOpen={open} /> : null}
      {image ? <ImageDetail digest={image} onClose={() => open(null)} onOpen={open} /> : null}
    </div>
  )
}

function Report({ report, onOpen }: { report: HealthReport; onOpen: (digest: string) => void }) {
  const bad = report.findings.filter(({ severity }) => severity === 'bad').length
  return (
    <>
      <Facts
        facts={[
          ['Findings', count(report.findings.length)],
          ['That make results wrong', count(bad)],
          ['Images checked', count(report.images)],
          ['Labels held against looks', report.labelsChecked ? 'yes' : 'no'],
          ...(report.against ? [['Compared with', <code key="against">{short(report.against)}</code>] as const] : []),
        ]}
      />
      {report.findings.length ? null : (
        <Empty title="Nothing stands out.">Checked were {counted(report.images, 'image')} of this version.</Empty>
      )}
      <ul className="findings">
        {report.findings.map((finding) => (
          <li key={`${finding.kind} ${finding.title}`}>
            <OneFinding finding={finding} onOpen={onOpen} />
          </li>
        ))}
      </ul>
      {report.notes.length ? (
        <Section title="Notes">
          <ul className="plain">
            {report.notes.map((note) => (
              <li key={note}>{note}</li>
            ))}
          </ul>
        </Section>
      ) : null}
    </>
  )
}

function OneFinding({ finding, onOpen }: { finding: Finding; onOpen: (digest: string) => void }) {
  const { dataset, ref } = useShown()
  const [all, setAll] = useState(false)
  const digests = all ? finding.digests : finding.digests.slice(0, FIRST)
  const keep = ref === 'latest' ? '' : `&ref=${encodeURIComponent(ref)}`
  return (
    <article className="card finding" data-severity={finding.severity} aria-label={finding.title}>
      <div className="card-head">
        <h2>{finding.title}</h2>
        {SEVERITIES[finding.severity]}
        {finding.images ? <span className="muted">{shareText(finding.share)} of the images</span> : null}
      </div>
      <p>{finding.advice}</p>
      {finding.details ? <Details details={finding.details} title={finding.title} /> : null}
      {digests.length ? (
        <Tiles
          dataset={dataset.name}
          label={finding.title}
          items={digests.map((digest, at) => ({ digest, name: `Image ${at + 1}: ${short(digest)}` }))}
          onOpen={onOpen}
        />
      ) : null}
      <div className="buttons">
        {finding.digests.length > FIRST ? (
          <button type="button" className="more" onClick={() => setAll(!all)}>
            {all ? 'Fewer' : `Show ${count(finding.digests.length)}`}
          </button>
        ) : null}
        {finding.where ? (
          <Link className="more" to={`/datasets/${dataset.name}?where=${encodeURIComponent(finding.where)}${keep}`}>
            All {count(finding.images)} in the grid
          </Link>
        ) : null}
        <Act finding={finding} />
      </div>
    </article>
  )
}

const shareText = (share: number): string => (share < 0.0005 ? 'less than 0.1 %' : percent(share))

/** All images of the finding, as far as they can be said. */
function Act({ finding }: { finding: Finding }) {
  const list = useList(finding.list?.sha256 ?? null)
  const digests = list.data ?? finding.digests
  if (!finding.where && !digests.length) return null
  const target: Target = finding.where ? { where: finding.where } : { digests }
  return (
    <ActionButtons
      images={finding.where ? finding.images : digests.length}
      target={target}
      actions={['exclude', 'ask', 'tag']}
    />
  )
}

function Details({ details: { columns, rows }, title }: { details: NonNullable<Finding['details']>; title: string }) {
  return (
    <div className="table-frame" tabIndex={0} role="region" aria-label={`Details of: ${title}`}>
      <table>
        <thead>
          <tr>
            {columns.map((column, at) => (
              <th key={column} scope="col" data-figures={typeof rows[0]?.[at] === 'number'}>
                {column}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, index) => (
            <tr key={index}>
              {row.map((cell, at) => (
                <td key={columns[at]} data-figures={typeof cell === 'number'}>
                  {typeof cell === 'number' ? figure(cell) : (cell ?? '–')}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
