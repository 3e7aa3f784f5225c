/** Ctrl-K: type a few letters of anything, Enter goes there. Also what the labelling page uses for classes without a key. */
import { Modal } from '@mantine/core'
import { useEffect, useId, useMemo, useState } from 'react'
import { useNavigate } from 'react-router'
import { useDatasets, useModels, useRuns, useSessions } from '../api/queries.ts'
import { PLACES } from './shell.tsx'

export interface Choice {
  readonly label: string
  readonly hint: string
  readonly choose: () => void
}

export function usePaletteKey(open: () => void) {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'k') {
        event.preventDefault()
        open()
      }
    }
    window.addEventListener('keydown', onKey)
    return () => window.removeEventListener('keydown', onKey)
  })
}

export function Palette({ open, onClose }: { open: boolean; onClose: () => void }) {
  const navigate = useNavigate()
  const [datasets, sessions, runs, models] = [useDatasets().data, useSessions().data, useRuns().data, useModels().data]
  const choices = useMemo<Choice[]>(() => {
    const go = (label: string, hint: string, to: string) => ({ label, hint, choose: () => void navigate(to) })
    return [
      ...PLACES.map(([to, name]) => go(name, 'page', to)),
      ...(datasets ?? []).map(({ name }) => go(name, 'dataset', `/datasets/${name}`)),
      ...(sessions ?? []).map(({ id, dataset }) => go(`${dataset} ${id}`, 'labelling', `/labelling/${id}`)),
      ...(models ?? []).map(({ name }) => go(name, 'model', `/models/${name}`)),
      ...(runs ?? []).map(({ id }) => go(id, 'run', `/runs/${id}`)),
    ]
  }, [datasets, sessions, runs, models, navigate])
  return <Chooser open={open} onClose={onClose} choices={choices} label="Go to" />
}

const SHOWN = 12

interface ChooserProps {
  readonly open: boolean
  readonly onClose: () => void
  readonly choices: readonly Choice[]
  readonly label: string
  /** A choice that what was typed makes by itself, offered last. */
  readonly other?: (typed: string) => Choice | null
}

export function Chooser(props: ChooserProps) {
  return (
    <Modal.Root opened={props.open} onClose={props.onClose} yOffset="12vh">
      <Modal.Overlay />
      <Modal.Content aria-label={props.label}>
        <ChooserList {...props} />
      </Modal.Content>
    </Modal.Root>
  )
}

function ChooserList({ onClose, choices, label, other }: ChooserProps) {
  const [typed, setTyped] = useState('')
  const [at, setAt] = useState(0)
  const id = useId()
  const found = useMemo(() => {
    const words = typed.toLowerCase().split(/\s+/).filter(Boolean)
    const named = choices
      .filter((choice) => words.every((word) => `${choice.label} ${choice.hint}`.toLowerCase().includes(word)))
      .slice(0, SHOWN)
    const isKnown = choices.some((choice) => choice.label === typed.trim())
    const own = isKnown ? null : other?.(typed)
    return own ? [...named, own] : named
  }, [choices, typed, other])
  const choose = (choice: Choice | undefined) => {
    if (!choice) return
    onClose()
    choice.choose()
  }
  return (
    <div className="chooser">
      <input
        data-autofocus
        autoFocus
        role="combobox"
        aria-expanded="true"
        aria-controls={id}
        aria-activedescendant={found.length ? `${id}-${at}` : undefined}
        aria-label={label}
        placeholder={label}
        value={typed}
        onChange={(event) => {
          setTyped(event.currentTarget.value)
          setAt(0)
        }}
        onKeyDown={(event) => {
          if (event.key === 'ArrowDown') setAt(Math.min(found.length - 1, at + 1))
          else if (event.key === 'ArrowUp') setAt(Math.max(0, at - 1))
          else if (event.key === 'Enter') choose(found[at])
          else return
          event.preventDefault()
        }}
      />
      <ul id={id} role="listbox" aria-label={label}>
        {found.map((choice, index) => (
          <li
            key={`${choice.hint}${choice.label}`}
            id={`${id}-${index}`}
            role="option"
            aria-selected={index === at}
            onClick={() => choose(choice)}
          >
            <span>{choice.label}</span>
            <span className="muted">{choice.hint}</span>
          </li>
        ))}
        {found.length ? null : <li className="muted chooser-none">Nothing is called that.</li>}
      </ul>
    </div>
  )
}
