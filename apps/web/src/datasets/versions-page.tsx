/** Where this dataset came from: each version with what it changed, who made it and why; names; any two side by side. */
import { Button, Modal, TextInput } from '@mantine/core'
import { useState } from 'react'
import { Link, useNavigate } from 'react-router'
import { useAction, useMay } from '../api/queries.ts'
import { counted, moment, short } from '../parts/format.ts'
import { Empty, Failure, Loaded, Section } from '../parts/page.tsx'
import { changesText } from './diff-words.ts'
import { useShown } from './frame.tsx'
import { api, useLog, useRefs } from './queries.ts'
import type { HistoryEntry, Ref } from './types.ts'

const AT_ONCE = 50

export default function VersionsPage() {
  const { dataset, ref } = useShown()
  return (
    <div className="page">
      <Loaded query={useLog(dataset.name, ref)}>{(log) => <History log={log} />}</Loaded>
      <Loaded query={useRefs(dataset.name)}>{(refs) => <Names refs={refs} />}</Loaded>
    </div>
  )
}

function History({ log }: { log: readonly HistoryEntry[] }) {
  const { dataset } = useShown()
  const navigate = useNavigate()
  const [shown, setShown] = useState(AT_ONCE)
  const [from, setFrom] = useState(log[1]?.version ?? log[0]?.version ?? '')
  const [to, setTo] = useState(log[0]?.version ?? '')
  const [asked, setAsked] = useState<{ what: 'tag' | 'restore'; entry: HistoryEntry } | null>(null)
  const may = useMay('annotate')
  const mayRestore = useMay('publish')
  if (!log.length) return <Empty title="This version has no history." />
  return (
    <Section
      title="History"
      aside={
        log.length > 1 ? (
          <Button
            size="sm"
            variant="default"
            disabled={from === to}
            onClick={() => void navigate(`/datasets/${dataset.name}/diff?from=${from}&to=${to}`)}
          >
            Compare the two that are marked
          </Button>
        ) : null
      }
    >
      <ol className="history">
        {log.slice(0, shown).map((entry, index) => (
          <li key={entry.version} data-merge={entry.parents.length > 1} data-shown={entry.version === dataset.version}>
            <span className="history-marks">
              <input
                type="radio"
                name="from"
                aria-label={`Compare from ${short(entry.version)}`}
                checked={from === entry.version}
                onChange={() => setFrom(entry.version)}
              />
              <input
                type="radio"
                name="to"
                aria-label={`Compare to ${short(entry.version)}`}
                checked={to === entry.version}
                onChange={() => setTo(entry.version)}
              />
            </span>
            <span className="history-dot" aria-hidden="true" />
            <div className="history-text">
              <p className="history-head">
                <Link to={`/datasets/${dataset.name}${index ? `?ref=${entry.version}` : ''}`}>
                  <code>{short(entry.version)}</code>
                </Link>
                {entry.refs.map((name) => (
                  <span key={name} className="tag">
                    {name}
                  </span>
                ))}
                <span className="history-note">{entry.note || 'no note'}</span>
              </p>
              <p className="muted">
                {entry.changes ? `${changesText(entry.changes)} · ` : ''}
                {counted(entry.images, 'image')} · {moment(entry.at)}
                {entry.by ? ` · ${entry.by}` : ''}
                {entry.parents.length > 1 ? ` · merge of ${entry.parents.map(short).join(' and ')}` : ''}
              </p>
            </div>
            <span className="history-actions">
              {entry.parents[0] ? (
                <Link to={`/datasets/${dataset.name}/diff?from=${entry.parents[0]}&to=${entry.version}`}>changes</Link>
              ) : null}
              {may ? (
                <button type="button" className="quiet-button" onClick={() => setAsked({ what: 'tag', entry })}>
                  Tag…
                </button>
              ) : null}
              {mayRestore && !entry.refs.includes('latest') ? (
                <button type="button" className="quiet-button" onClick={() => setAsked({ what: 'restore', entry })}>
                  Restore…
                </button>
              ) : null}
            </span>
          </li>
        ))}
      </ol>
      {log.length > shown ? (
        <button type="button" className="more" onClick={() => setShown(shown + AT_ONCE)}>
          Show {counted(Math.min(AT_ONCE, log.length - shown), 'earlier version')}
        </button>
      ) : null}
      {asked?.what === 'tag' ? <TagForm entry={asked.entry} onClose={() => setAsked(null)} /> : null}
      {asked?.what === 'restore' ? <RestoreForm entry={asked.entry} onClose={() => setAsked(null)} /> : null}
    </Section>
  )
}

interface FormProps {
  readonly entry: HistoryEntry
  readonly onClose: () => void
}

function TagForm({ entry, onClose }: FormProps) {
  const { dataset } = useShown()
  const tag = useAction(api(dataset.name, 'tags'))
  const [name, setName] = useState('')
  const [note, setNote] = useState('')
  return (
    <Modal opened onClose={onClose} title={`Name version ${short(entry.version)}`}>
      <form
        className="answer"
        onSubmit={(event) => {
          event.preventDefault()
          tag.mutate({ version: entry.version, tag: name, note }, { onSuccess: onClose })
        }}
      >
        <p>
          A tag stays with this version: pipelines that read{' '}
          <code>
            {dataset.name}@{name || 'TAG'}
          </code>{' '}
          always get it.
        </p>
        <TextInput
          label="Tag"
          data-autofocus
          autoFocus
          required
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
        />
        <TextInput label="Note" value={note} onChange={(event) => setNote(event.currentTarget.value)} />
        {tag.error ? <Failure error={tag.error} /> : null}
        <div className="buttons">
          <Button type="submit" loading={tag.isPending}>
            Name it
          </Button>
        </div>
      </form>
    </Modal>
  )
}

function RestoreForm({ entry, onClose }: FormProps) {
  const { dataset, moveTo } = useShown()
  const restore = useAction<{ version: string }>(api(dataset.name, 'restore'))
  const [note, setNote] = useState('')
  return (
    <Modal opened onClose={onClose} title={`Restore version ${short(entry.version)}`}>
      <form
        className="answer"
        onSubmit={(event) => {
          event.preventDefault()
          restore.mutate(
            { version: entry.version, note },
            {
              onSuccess: ({ version }) => {
                onClose()
                moveTo(version, 'Restored')
              },
            },
          )
        }}
      >
        <p>
          <code>latest</code> will point to what this version holds: {counted(entry.images, 'image')}. All versions
          since then stay, and can be restored as well.
        </p>
        <TextInput
          label="Why"
          data-autofocus
          autoFocus
          required
          value={note}
          onChange={(event) => setNote(event.currentTarget.value)}
        />
        {restore.error ? <Failure error={restore.error} /> : null}
        <div className="buttons">
          <Button type="submit" loading={restore.isPending}>
            Restore it
          </Button>
        </div>
      </form>
    </Modal>
  )
}

function Names({ refs }: { refs: readonly Ref[] }) {
  const { dataset } = useShown()
  return (
    <Section title="Names">
      <ul className="plain names">
        {refs.map((ref) => (
          <li key={ref.name}>
            <span className="tag">{ref.name}</span>
            <Link to={`/datasets/${dataset.name}${ref.name === 'latest' ? '' : `?ref=${ref.name}`}`}>
              <code>{short(ref.version)}</code>
            </Link>
            <span className="muted">
              {counted(ref.images, 'image')}, {moment(ref.at)}, {ref.by}
              {ref.note ? `: ${ref.note}` : ''}
            </span>
            {ref.name === 'latest' || ref.version === dataset.version ? null : (
              <Link to={`/datasets/${dataset.name}/merge?theirs=${ref.name}`}>merge into latest</Link>
            )}
          </li>
        ))}
      </ul>
    </Section>
  )
}
