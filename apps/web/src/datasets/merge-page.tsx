/** Brings two lines of a dataset together. What both changed differently is asked, image by image; the rest goes by itself. */
import { Button, TextInput } from '@mantine/core'
import { useEffect, useState } from 'react'
import { Link, useNavigate, useSearchParams } from 'react-router'
import { thumbnailUrl } from '../api/client.ts'
import { useMay } from '../api/queries.ts'
import { count, counted, short } from '../parts/format.ts'
import { Empty, Failure, Section } from '../parts/page.tsx'
import { isTyping } from '../parts/table.tsx'
import { useShown } from './frame.tsx'
import { conflictsOf, useMerge, useRefs } from './queries.ts'
import type { Conflict, Decision, MergePolicy } from './types.ts'

/** Conflicts of one page. */
const AT_ONCE = 40

const POLICIES: readonly (readonly [policy: MergePolicy | '', words: string])[] = [
  ['', 'ask me about each'],
  ['people', 'a person before a model'],
  ['ours', 'as it stands in ours'],
  ['theirs', 'as it stands in theirs'],
  ['clear', 'clear it, and ask again'],
]

export default function MergePage() {
  const { dataset, moveTo } = useShown()
  const [search, setSearch] = useSearchParams()
  const navigate = useNavigate()
  const ours = search.get('ours') ?? 'latest'
  const theirs = search.get('theirs') ?? ''
  const refs = useRefs(dataset.name).data ?? []
  const merge = useMerge(dataset.name)
  const may = useMay('annotate')
  const [policy, setPolicy] = useState<MergePolicy | ''>('')
  const [note, setNote] = useState('')
  const [decisions, setDecisions] = useState<ReadonlyMap<string, Decision>>(new Map())
  const found = conflictsOf(merge.error)
  const send = () =>
    merge.mutate(
      {
        ours,
        theirs,
        note: note || `merge of ${theirs} into ${ours}`,
        policies: policy ? [policy] : [],
        decisions: [...decisions.values()],
      },
      {
        onSuccess: ({ version }) => {
          moveTo(version, 'Merged')
          void navigate(`/datasets/${dataset.name}/diff?from=${dataset.version}&to=${version}`)
        },
      },
    )
  const choose = (name: 'ours' | 'theirs', value: string) => {
    merge.reset()
    setDecisions(new Map())
    setSearch({ ours, theirs, [name]: value })
  }
  return (
    <div className="page merge">
      <Section title="Merge">
        <div className="inline-form merge-form">
          <RefChoice
            label="Into"
            value={ours}
            names={refs.map(({ name }) => name)}
            onChange={(value) => choose('ours', value)}
          />
          <RefChoice
            label="comes"
            value={theirs}
            names={refs.map(({ name }) => name)}
            onChange={(value) => choose('theirs', value)}
          />
          <label className="field">
            Where both changed the same
            <select value={policy} onChange={(event) => setPolicy(event.currentTarget.value as MergePolicy | '')}>
              {POLICIES.map(([name, words]) => (
                <option key={name} value={name}>
                  {words}
                </option>
              ))}
            </select>
          </label>
          <TextInput label="Note" value={note} onChange={(event) => setNote(event.currentTarget.value)} />
          {found ? null : (
            <Button disabled={!theirs || !may} loading={merge.isPending} onClick={send}>
              Merge
            </Button>
          )}
        </div>
        <p className="muted">
          {may
            ? 'A new version is made and becomes what it goes into; both lines stay. Nothing moves from train to held out.'
            : 'Your role looks at versions and merges none.'}
        </p>
        {theirs ? (
          <p>
            <Link to={`/datasets/${dataset.name}/diff?from=${ours}&to=${theirs}`}>What tells the two apart</Link>
          </p>
        ) : null}
      </Section>
      {merge.error && !found ? <Failure error={merge.error} /> : null}
      {found ? (
        found.conflicts.length ? (
          <Conflicts
            conflicts={found.conflicts}
            total={found.total}
            decisions={decisions}
            onDecisions={setDecisions}
            isOpen={policy === ''}
            isPending={merge.isPending}
            onMerge={send}
          />
        ) : (
          <Empty title="No conflict is left." />
        )
      ) : null}
    </div>
  )
}

interface RefChoiceProps {
  readonly label: string
  readonly value: string
  readonly names: readonly string[]
  readonly onChange: (value: string) => void
}

function RefChoice({ label, value, names, onChange }: RefChoiceProps) {
  return (
    <label className="field">
      {label}
      <select value={value} onChange={(event) => onChange(event.currentTarget.value)}>
        {value && names.includes(value) ? null : <option value={value}>{value ? short(value) : 'choose…'}</option>}
        {names.map((name) => (
          <option key={name}>{name}</option>
        ))}
      </select>
    </label>
  )
}

const keyOf = ({ digest, field }: Pick<Conflict, 'digest' | 'field'>): string => `${digest} ${field}`

interface ConflictsProps {
  readonly conflicts: readonly Conflict[]
  readonly total: number
  readonly decisions: ReadonlyMap<string, Decision>
  readonly onDecisions: (decisions: ReadonlyMap<string, Decision>) => void
  /** Without a policy each conflict wants a decision. */
  readonly isOpen: boolean
  readonly isPending: boolean
  readonly onMerge: () => void
}

const TAKES = ['ours', 'theirs', 'clear'] as const

function Conflicts({ conflicts, total, decisions, onDecisions, isOpen, isPending, onMerge }: ConflictsProps) {
  const [page, setPage] = useState(0)
  const [focus, setFocus] = useState(0)
  const shown = conflicts.slice(page * AT_ONCE, (page + 1) * AT_ONCE)
  const left = total - decisions.size
  const decide = (conflict: Conflict, take: Decision['take']) =>
    onDecisions(new Map(decisions).set(keyOf(conflict), { digest: conflict.digest, field: conflict.field, take }))
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (isTyping(event) || event.ctrlKey || event.metaKey || event.altKey) return
      const take = TAKES[Number(event.key) - 1]
      if (event.key === 'j') moveTo(Math.min(shown.length - 1, focus + 1))
      else if (event.key === 'k') moveTo(Math.max(0, focus - 1))
      else if (take && shown[focus]) {
        decide(shown[focus], take)
        moveTo(Math.min(shown.length - 1, focus + 1))
      } else return
      event.preventDefault()
    }
    window.addEventListener('keydown', onKey)
    return () => window.removeEventListener('keydown', onKey)
  })
  const all = (take: Decision['take']) =>
    onDecisions(
      new Map(
        conflicts.map((conflict) => {
          const known = decisions.get(keyOf(conflict))
          return [keyOf(conflict), known ?? { digest: conflict.digest, field: conflict.field, take }] as const
        }),
      ),
    )
  return (
    <Section
      title={counted(total, 'conflict')}
      aside={
        <div className="buttons">
          <span className="muted" aria-live="polite">
            {left ? `${count(left)} open` : 'all decided'}
          </span>
          {TAKES.slice(0, 2).map((take) => (
            <button key={take} type="button" className="more" onClick={() => all(take)}>
              All others: {take}
            </button>
          ))}
          <Button size="sm" disabled={isOpen && left > 0} loading={isPending} onClick={onMerge}>
            Merge with {counted(decisions.size, 'decision')}
          </Button>
        </div>
      }
    >
      <p className="muted">
        Both lines changed these differently. <kbd>1</kbd> takes ours, <kbd>2</kbd> theirs, <kbd>3</kbd> clears;{' '}
        <kbd>j</kbd> and <kbd>k</kbd> move.
        {total > conflicts.length
          ? ` The first ${count(conflicts.length)} are told; choose above what happens with the others.`
          : ''}
      </p>
      <ul className="conflicts">
        {shown.map((conflict, at) => (
          <OneConflict
            key={keyOf(conflict)}
            at={at}
            conflict={conflict}
            isFocus={at === focus}
            take={decisions.get(keyOf(conflict))?.take ?? null}
            onTake={(take) => {
              setFocus(at)
              decide(conflict, take)
            }}
          />
        ))}
      </ul>
      {conflicts.length > AT_ONCE ? (
        <div className="buttons">
          <button type="button" className="more" disabled={page === 0} onClick={() => turn(page - 1)}>
            Before
          </button>
          <span className="muted">
            {count(page * AT_ONCE + 1)}–{count(page * AT_ONCE + shown.length)} of {count(conflicts.length)}
          </span>
          <button
            type="button"
            className="more"
            disabled={(page + 1) * AT_ONCE >= conflicts.length}
            onClick={() => turn(page + 1)}
          >
            Next
          </button>
        </div>
      ) : null}
    </Section>
  )

  function moveTo(to: number) {
    setFocus(to)
    document.querySelector(`.conflicts > [data-at="${to}"]`)?.scrollIntoView({ block: 'nearest' })
  }

  function turn(to: number) {
    setPage(to)
    setFocus(0)
  }
}

interface OneConflictProps {
  readonly at: number
  readonly conflict: Conflict
  readonly isFocus: boolean
  readonly take: Decision['take'] | null
  readonly onTake: (take: Decision['take']) => void
}

function OneConflict({ at, conflict, isFocus, take, onTake }: OneConflictProps) {
  const { dataset } = useShown()
  const { digest, field } = conflict
  return (
    <li data-at={at} data-focus={isFocus}>
      {digest ? <img className="thumbnail" src={thumbnailUrl(dataset.name, digest, 96)} alt="" loading="lazy" /> : null}
      <div className="conflict-text">
        <p>
          <strong>{fieldWord(field)}</strong> <code className="muted">{digest ? short(digest) : 'of the dataset'}</code>
        </p>
        <p className="muted">was: {textOf(conflict.base)}</p>
      </div>
      <div
        className="conflict-sides"
        role="group"
        aria-label={`What holds of ${digest ? short(digest) : 'the dataset'}`}
      >
        {TAKES.map((side) => (
          <button key={side} type="button" aria-pressed={take === side} onClick={() => onTake(side)}>
            <span className="muted">{side === 'clear' ? 'neither' : side}</span>
            <span>{side === 'clear' ? 'clear, ask again' : textOf(conflict[side])}</span>
          </button>
        ))}
      </div>
    </li>
  )
}

function fieldWord(field: string): string {
  const words: Readonly<Record<string, string>> = {
    presence: 'Whether the image is there',
    label: 'Class',
    tags: 'Tags',
    excluded: 'Whether it is left out',
    boxes: 'Boxes',
    schema: 'Label schema',
  }
  return words[field] ?? field.replace('attributes.', '')
}

/** A side of a conflict in a few words. */
function textOf(value: unknown): string {
  if (value === null || value === undefined) return 'nothing'
  if (Array.isArray(value))
    return value.every((one) => typeof one === 'string')
      ? value.join(', ') || 'none'
      : counted(value.length, 'box').replace('boxs', 'boxes')
  if (typeof value === 'object') {
    const { label, origin } = value as { label?: string | null; origin?: string | null }
    if (label === undefined) return JSON.stringify(value)
    return `${label ?? 'no label'}${origin === 'human' ? ', by a person' : origin === 'predicted' ? ', by a model' : ''}`
  }
  return String(value)
}
