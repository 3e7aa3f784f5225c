/** The typed part of a query, the views that were saved, the order and the size of what is shown. */
import { Button, Modal, TextInput } from '@mantine/core'
import { useEffect, useRef, useState } from 'react'
import { useMay } from '../api/queries.ts'
import { Failure } from '../parts/page.tsx'
import { Icon } from '../parts/icon.tsx'
import { isTyping } from '../parts/table.tsx'
import { ORDERS } from './columns.ts'
import { useRemoveView, useSaveView, useViews } from './queries.ts'
import type { SavedView } from './types.ts'

interface QueryBarProps {
  readonly dataset: string
  /** What is typed. */
  readonly where: string
  /** What is asked, with what was picked from facets. */
  readonly condition: string
  readonly order: string
  readonly cell: number
  readonly error: string | null
  readonly onWhere: (where: string) => void
  readonly onView: (view: SavedView) => void
  readonly onOrder: (order: string) => void
  readonly onCell: (cell: number) => void
}

export const CELLS = [96, 128, 192] as const

export function QueryBar(props: QueryBarProps) {
  const { dataset, where, condition, order, cell, error, onWhere, onView, onOrder, onCell } = props
  const [typed, setTyped] = useState(where)
  const [isHelping, setHelping] = useState(false)
  const input = useRef<HTMLInputElement>(null)
  useEffect(() => setTyped(where), [where])
  useEffect(() => {
    const onKey = (event: globalThis.KeyboardEvent) => {
      if (event.key !== '/' || isTyping(event) || event.ctrlKey || event.metaKey) return
      input.current?.focus()
      event.preventDefault()
    }
    window.addEventListener('keydown', onKey)
    return () => window.removeEventListener('keydown', onKey)
  }, [])
  return (
    <div className="query">
      <form
        className="query-line"
        role="search"
        onSubmit={(event) => {
          event.preventDefault()
          onWhere(typed)
        }}
      >
        <div className="query-field" data-bad={error !== null}>
          <Icon name="search" size={14} />
          <input
            ref={input}
            value={typed}
            spellCheck={false}
            autoComplete="off"
            aria-label="Query"
            aria-invalid={error !== null}
            aria-describedby={error ? 'query-error' : undefined}
            placeholder="blur > 0.4 and origin = 'predicted'"
            onChange={(event) => setTyped(event.currentTarget.value)}
            onKeyDown={(event) => {
              if (event.key === 'Escape') setTyped(where)
            }}
          />
          {typed === where ? <kbd title="focuses the query">/</kbd> : <kbd>Enter</kbd>}
          <button
            type="button"
            className="quiet-button"
            aria-expanded={isHelping}
            onClick={() => setHelping(!isHelping)}
            title="What a query may say"
            aria-label="What a query may say"
          >
            <Icon name="unsure" />
          </button>
        </div>
        <Views dataset={dataset} condition={condition} onView={onView} />
        <label className="order">
          <span className="visually-hidden">Order</span>
          <select value={order} onChange={(event) => onOrder(event.currentTarget.value)}>
            {ORDERS.some(([name]) => name === order) ? null : <option value={order}>{order}</option>}
            {ORDERS.map(([name, words]) => (
              <option key={name} value={name}>
                {words}
              </option>
            ))}
          </select>
        </label>
        <div className="filters cells" role="group" aria-label="Size of the images">
          {CELLS.map((size, index) => (
            <button key={size} type="button" aria-pressed={cell === size} onClick={() => onCell(size)}>
              {'SML'[index]}
              <span className="visually-hidden"> tiles</span>
            </button>
          ))}
        </div>
      </form>
      {error ? (
        <p id="query-error" className="query-error" role="alert">
          <Icon name="failed" size={14} /> {error}
        </p>
      ) : null}
      {isHelping ? <Help /> : null}
    </div>
  )
}

function Help() {
  return (
    <div className="query-help">
      <p>
        A condition on the columns of an image, as in SQL, joined by <code>and</code>, <code>or</code>, <code>not</code>
        ; text stands in single quotes.
      </p>
      <dl>
        <div>
          <dt>
            <code>label = 'scratch' and blur {'>'} 0.4</code>
          </dt>
          <dd>a class, and a measure: brightness, contrast, blur, entropy, colour</dd>
        </div>
        <div>
          <dt>
            <code>split = 'train' and not humanSeen</code>
          </dt>
          <dd>train or test; what no person saw</dd>
        </div>
        <div>
          <dt>
            <code>excluded is not null</code>
          </dt>
          <dd>left out, and why</dd>
        </div>
        <div>
          <dt>
            <code>source like '%line-3%' and width {'<'} 64</code>
          </dt>
          <dd>where it came from; its pixels</dd>
        </div>
      </dl>
      <p className="muted">The same condition works in `gyre dataset query` and as the input of a pipeline.</p>
    </div>
  )
}

function Views({ dataset, condition, onView }: Pick<QueryBarProps, 'dataset' | 'condition' | 'onView'>) {
  const views = useViews(dataset)
  const drop = useRemoveView(dataset)
  const may = useMay('annotate')
  const menu = useRef<HTMLDetailsElement>(null)
  const [isSaving, setSaving] = useState(false)
  const close = () => {
    if (menu.current) menu.current.open = false
  }
  return (
    <>
      <details
        className="menu"
        ref={menu}
        onKeyDown={(event) => event.key === 'Escape' && close()}
        onBlur={(event) => {
          if (event.relatedTarget && !event.currentTarget.contains(event.relatedTarget)) close()
        }}
      >
        <summary>Views{views.data?.length ? ` (${views.data.length})` : ''}</summary>
        <div className="menu-body">
          {views.error ? <Failure error={views.error} /> : null}
          {views.data?.length === 0 ? <p className="muted">No view is saved yet.</p> : null}
          <ul>
            {views.data?.map((view) => (
              <li key={view.name}>
                <button
                  type="button"
                  onClick={() => {
                    onView(view)
                    close()
                  }}
                >
                  <span className="id">{view.name}</span>
                  <code className="muted">{view.where}</code>
                  {view.note ? <span className="muted">{view.note}</span> : null}
                </button>
                {may ? (
                  <button
                    type="button"
                    className="quiet-button"
                    aria-label={`Remove the view ${view.name}`}
                    onClick={() => drop.mutate(view.name)}
                  >
                    <Icon name="failed" size={13} />
                  </button>
                ) : null}
              </li>
            ))}
          </ul>
          {drop.error ? <Failure error={drop.error} /> : null}
          {may ? (
            <button
              type="button"
              className="more"
              disabled={!condition}
              onClick={() => {
                setSaving(true)
                close()
              }}
            >
              {condition ? 'Save this query as a view' : 'Ask something first to save it'}
            </button>
          ) : null}
        </div>
      </details>
      {isSaving ? <SaveView dataset={dataset} condition={condition} onClose={() => setSaving(false)} /> : null}
    </>
  )
}

function SaveView({ dataset, condition, onClose }: { dataset: string; condition: string; onClose: () => void }) {
  const save = useSaveView(dataset)
  const [name, setName] = useState('')
  const [note, setNote] = useState('')
  return (
    <Modal opened onClose={onClose} title="Save this query as a view">
      <form
        className="answer"
        onSubmit={(event) => {
          event.preventDefault()
          save.mutate({ name, where: condition, note }, { onSuccess: onClose })
        }}
      >
        <p>
          <code>{condition}</code>
        </p>
        <p className="muted">A view keeps the condition, not the images: each version has its own.</p>
        <TextInput
          label="Name"
          data-autofocus
          autoFocus
          required
          pattern="[a-z0-9]([a-z0-9\-]{0,38}[a-z0-9])?"
          description="Small letters, digits and dashes"
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
        />
        <TextInput label="Note" value={note} onChange={(event) => setNote(event.currentTarget.value)} />
        {save.error ? <Failure error={save.error} /> : null}
        <div className="buttons">
          <Button type="submit" loading={save.isPending}>
            Save view
          </Button>
        </div>
      </form>
    </Modal>
  )
}
