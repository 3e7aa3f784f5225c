/** All keys of the labelling page, each changed by pressing another one; kept on the server for this person. */
import '../labelling.css'
import { Modal } from '@mantine/core'
import { useState } from 'react'
import type { UseMutationResult } from '@tanstack/react-query'
import type { ApiProblem } from '../api/client.ts'
import { Failure } from '../parts/page.tsx'
import { keyName } from './keys.ts'
import {
  cap,
  COMMAND_NAMES,
  COMMANDS,
  isAssignable,
  keyMapOf,
  withClassKey,
  withKey,
  type KeySettings,
} from './key-map.ts'

const FIXED: readonly (readonly [keys: string, what: string])[] = [
  ['key of a class', 'this is the class of every image that is not marked; go on'],
  ['Shift + class', 'what is selected, else the image in focus, is a misfit of that class'],
  ['D 4', 'mark or unmark the image in row D, column 4; so does a click'],
  ['arrows', 'move; with Shift: select as you go'],
  ['right click', 'name an image, or what is selected, by choosing its class'],
  ['Ctrl A, drag', 'select all; select what a band touches. Escape lets go'],
  ['Space', 'as Enter'],
  ['Ctrl Z, Ctrl Y', 'undo; redo'],
]

interface HelpProps {
  readonly open: boolean
  readonly onClose: () => void
  readonly classes: readonly string[]
  readonly settings: KeySettings
  readonly saving: UseMutationResult<KeySettings, ApiProblem, KeySettings>
}

export function Help({ open, onClose, classes, settings, saving }: HelpProps) {
  return (
    <Modal opened={open} onClose={onClose} title="Keys" size="xl">
      <p className="muted">
        Press a key on the right to change it: then press the new one. Your keys go with you to every browser.
      </p>
      <KeyTable {...{ classes, settings, saving }} />
      <h3>What does not change</h3>
      <dl className="key-list">
        {FIXED.map(([keys, what]) => (
          <div key={keys}>
            <dt>{keys}</dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
    </Modal>
  )
}

type Waiting = { readonly kind: 'command' | 'class'; readonly name: string } | null

/** Also part of the settings page, there without classes. */
export function KeyTable({ classes, settings, saving }: Omit<HelpProps, 'open' | 'onClose'>) {
  const [waiting, setWaiting] = useState<Waiting>(null)
  const [said, setSaid] = useState('')
  const map = keyMapOf(classes, settings)
  const save = (next: KeySettings, told: string) => {
    setWaiting(null)
    setSaid(told)
    saving.mutate(next)
  }
  const onKey = (kind: 'command' | 'class', name: string) => (event: React.KeyboardEvent) => {
    if (waiting?.name !== name || waiting.kind !== kind) return
    const key = keyName(event.nativeEvent)
    if (key === 'shift' || key === 'tab') return
    event.preventDefault()
    event.stopPropagation()
    if (key === 'escape') return setWaiting(null)
    const isFree = kind === 'command' ? isAssignable(key) : /^[a-z0-9]$/.test(key) && !map.commands.has(key)
    if (!isFree)
      return setSaid(`${cap(key)} cannot be the key of ${name}${map.commands.has(key) ? ': a command has it' : ''}.`)
    const next =
      kind === 'command' ? withKey(settings, name as keyof typeof COMMANDS, key) : withClassKey(settings, name, key)
    save(next, `${name}: ${cap(key)}`)
  }
  const row = (kind: 'command' | 'class', name: string, says: string, key: string) => {
    const isWaiting = waiting?.name === name && waiting.kind === kind
    return (
      <div key={`${kind}${name}`}>
        <dd>{says}</dd>
        <dt>
          <button
            type="button"
            className="key-button"
            aria-label={`Key of ${name}: ${key ? cap(key) : 'none'}. Change it`}
            aria-pressed={isWaiting}
            onClick={() => setWaiting(isWaiting ? null : { kind, name })}
            onKeyDown={onKey(kind, name)}
            onBlur={() => setWaiting(null)}
          >
            {isWaiting ? 'press a key' : <kbd>{key ? cap(key) : 'none'}</kbd>}
          </button>
        </dt>
      </div>
    )
  }
  const isChanged = Object.keys(settings.keys).length > 0 || Object.keys(settings.classKeys).length > 0
  return (
    <>
      <div className="key-columns">
        <dl className="key-list key-list-changing" aria-label="Keys of commands">
          {COMMAND_NAMES.map((name) => row('command', name, COMMANDS[name].says, map.keys[name]))}
        </dl>
        {classes.length ? (
          <dl className="key-list key-list-changing" aria-label="Keys of classes">
            {classes.map((name, at) => row('class', name, name, map.classKeys[at] ?? ''))}
          </dl>
        ) : null}
      </div>
      {saving.error ? <Failure error={saving.error} /> : null}
      <p className="key-foot">
        <span role="status" className="muted">
          {said}
        </span>
        {isChanged ? (
          <button
            type="button"
            className="more"
            onClick={() => save({ keys: {}, classKeys: {} }, 'The keys are as they were at first.')}
          >
            Back to the first keys
          </button>
        ) : null}
      </p>
    </>
  )
}
