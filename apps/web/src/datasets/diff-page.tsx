/** Two versions side by side: how many images differ in what way, and those images. A link shows the same again. */
import { Link, useSearchParams } from 'react-router'
import { count, counted, short } from '../parts/format.ts'
import { Empty, Failure, Loaded, Section, Skeleton } from '../parts/page.tsx'
import { KINDS, imagesOf } from './diff-words.ts'
import { useShown } from './frame.tsx'
import { ImageDetail } from './image-detail.tsx'
import { useDiff, useDiffRows } from './queries.ts'
import { FromTo, Tiles } from './tiles.tsx'
import type { DiffRow, Relabelled, SaidOfImage, VersionDiff } from './types.ts'

/** Images of one page. */
const AT_ONCE = 120
/** Pairs of classes that are listed. */
const PAIRS = 30

export default function DiffPage() {
  const { dataset } = useShown()
  const [search, setSearch] = useSearchParams()
  const from = search.get('from') ?? ''
  const to = search.get('to') ?? dataset.version
  const diff = useDiff(dataset.name, from, to)
  const set = (change: Readonly<Record<string, string | null>>) =>
    setSearch((old) => {
      const next = new URLSearchParams(old)
      for (const [name, value] of Object.entries(change)) {
        if (value) next.set(name, value)
        else next.delete(name)
      }
      return next
    })
  if (!from)
    return (
      <div className="page">
        <Empty title="Which two versions?">
          <Link to={`/datasets/${dataset.name}/versions`}>Mark two of them in the history.</Link>
        </Empty>
      </div>
    )
  const image = search.get('image')
  return (
    <div className="page">
      <p className="diff-head">
        <FromTo from={<code>{named(from)}</code>} to={<code>{named(to)}</code>} />
        <Link to={`/datasets/${dataset.name}/diff?from=${to}&to=${from}`}>the other way round</Link>
      </p>
      <Loaded query={diff}>{(data) => <Differences diff={data} search={search} set={set} />}</Loaded>
      {image ? (
        <ImageDetail digest={image} onClose={() => set({ image: null })} onOpen={(digest) => set({ image: digest })} />
      ) : null}
    </div>
  )
}

/** A digest by its first characters, a name as it is. */
const named = (ref: string): string => (/^[0-9a-f]{64}$/.test(ref) ? short(ref) : ref)

interface DifferencesProps {
  readonly diff: VersionDiff
  readonly search: URLSearchParams
  readonly set: (change: Readonly<Record<string, string | null>>) => void
}

function Differences({ diff, search, set }: DifferencesProps) {
  const kinds = KINDS.filter(([kind]) => imagesOf(diff, kind) > 0)
  const kind = kinds.find(([name]) => name === search.get('kind'))?.[0] ?? kinds[0]?.[0]
  const label = search.get('label')
  return (
    <>
      {diff.schema ? <Schemas schema={diff.schema} /> : null}
      {kind ? (
        <>
          <div className="filters diff-kinds" role="group" aria-label="What differs">
            {kinds.map(([name, title]) => (
              <button
                key={name}
                type="button"
                aria-pressed={name === kind}
                onClick={() => set({ kind: name, label: null, after: null })}
              >
                <strong className="figure">{count(imagesOf(diff, name))}</strong> {title}
              </button>
            ))}
          </div>
          <div className={kind === 'relabelled' ? 'browser' : undefined}>
            {kind === 'relabelled' ? (
              <Pairs pairs={diff.relabelled} label={label} onLabel={(next) => set({ label: next, after: null })} />
            ) : null}
            <Rows key={`${kind} ${label}`} kind={kind} label={label} search={search} set={set} />
          </div>
        </>
      ) : diff.schema ? null : (
        <Empty title="The two versions are alike." />
      )}
    </>
  )
}

interface PairsProps {
  readonly pairs: readonly Relabelled[]
  readonly label: string | null
  readonly onLabel: (label: string | null) => void
}

/** Which classes became which, most images first. */
function Pairs({ pairs, label, onLabel }: PairsProps) {
  const most = Math.max(1, ...pairs.map(({ images }) => images))
  return (
    <ul className="class-list" aria-label="From which class to which">
      <li>
        <button type="button" aria-pressed={!label} onClick={() => onLabel(null)}>
          <span>any class</span>
        </button>
      </li>
      {pairs.slice(0, PAIRS).map(({ from, to, images }) => (
        <li key={`${from} ${to}`}>
          <button
            type="button"
            aria-pressed={label !== null && label === (to ?? from)}
            onClick={() => onLabel(to ?? from)}
          >
            <FromTo from={from ?? 'no label'} to={to ?? 'no label'} />
            <span className="figure">{count(images)}</span>
            <span className="class-bar" style={{ inlineSize: `${(images / most) * 100}%` }} />
          </button>
        </li>
      ))}
      {pairs.length > PAIRS ? <li className="facet-note">and {counted(pairs.length - PAIRS, 'rarer pair')}</li> : null}
    </ul>
  )
}

interface RowsProps extends Omit<DifferencesProps, 'diff'> {
  readonly kind: string
  readonly label: string | null
}

function Rows({ kind, label, search, set }: RowsProps) {
  const { dataset } = useShown()
  const after = search.get('after')
  const rows = useDiffRows(dataset.name, {
    from: search.get('from')!,
    to: search.get('to') ?? dataset.version,
    ...{ kind, label, after, limit: AT_ONCE },
  })
  if (rows.error) return <Failure error={rows.error} />
  if (!rows.data) return <Skeleton />
  const found = rows.data.rows
  return (
    <div className="browser-images">
      {found.length ? null : <Empty title="No further image." />}
      <Tiles
        dataset={dataset.name}
        label="Images that differ"
        items={found.map((row) => ({
          digest: row.digest,
          name: textOf(row, kind),
          foot: <Said row={row} kind={kind} />,
        }))}
        onOpen={(digest) => set({ image: digest })}
      />
      <div className="buttons">
        {after ? (
          <button type="button" className="more" onClick={() => set({ after: null })}>
            From the first
          </button>
        ) : null}
        {found.length === AT_ONCE ? (
          <button type="button" className="more" onClick={() => set({ after: found.at(-1)!.digest })}>
            Next {AT_ONCE}
          </button>
        ) : null}
      </div>
    </div>
  )
}

const FIELD: Readonly<Record<string, (said: SaidOfImage) => string>> = {
  relabelled: ({ label }) => label ?? 'no label',
  resplit: ({ split }) => (split === 'test' ? 'held out' : 'train'),
  excluded: ({ excluded }) => excluded ?? 'counts',
  included: ({ excluded }) => excluded ?? 'counts',
  tagged: ({ tags }) => tags?.join(', ') || 'no tag',
}

function Said({ row: { was, is }, kind }: { row: DiffRow; kind: string }) {
  const field = FIELD[kind]
  if (field && was && is) return <FromTo from={field(was)} to={field(is)} />
  return (is ?? was)?.label ?? 'no label'
}

function textOf({ digest, was, is }: DiffRow, kind: string): string {
  const field = FIELD[kind] ?? FIELD['relabelled']!
  if (was && is && FIELD[kind]) return `${short(digest)}: ${field(was)} becomes ${field(is)}`
  const said = is ?? was
  return said ? `${short(digest)}: ${said.label ?? 'no label'}` : short(digest)
}

function Schemas({ schema }: { schema: NonNullable<VersionDiff['schema']> }) {
  const [before, after] = [schema.from?.classes ?? [], schema.to?.classes ?? []]
  const gone = before.filter((name) => !after.includes(name))
  const came = after.filter((name) => !before.includes(name))
  return (
    <Section title="Label schema">
      <p>
        {came.length ? `New: ${came.join(', ')}. ` : ''}
        {gone.length ? `Gone: ${gone.join(', ')}. ` : ''}
        {came.length || gone.length ? '' : 'The same classes, said otherwise.'}
      </p>
    </Section>
  )
}
