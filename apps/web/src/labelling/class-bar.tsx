/** The classes with their keys, and the other things that can be said of a screen or of the images in hand. */
import type { Intent } from './keys.ts'
import { cap, type Command, type KeyMap } from './key-map.ts'
import type { ScreenView } from './screen-view.ts'

interface ClassBarProps {
  readonly map: KeyMap
  readonly view: ScreenView
  readonly isSelecting: boolean
  readonly onSelecting: (isSelecting: boolean) => void
  readonly act: (intent: Intent) => void
}

export function ClassBar({ map, view, isSelecting, onSelecting, act }: ClassBarProps) {
  const { screen, marks, selected, focus, comment } = view
  const isSingle = screen.kind === 'single'
  const isBlind = screen.proposed === null && screen.pair === undefined
  const misfits = marks.filter(Boolean).length
  const isMarked = marks[focus] != null
  const verb = (command: Command, text: string, intent: Intent, isMain = false) => (
    <Verb keys={map.keys[command]} text={text} isMain={isMain} onClick={() => act(intent)} />
  )
  return (
    <div className="class-bar-area">
      <div className="chips" role="group" aria-label={selected.size ? `Class of ${selected.size} images` : 'Classes'}>
        {map.classes.map((name, index) => (
          <button
            key={name}
            type="button"
            className="chip"
            data-proposed={name === screen.proposed || (screen.pair?.includes(name) ?? false)}
            aria-keyshortcuts={map.classKeys[index] || undefined}
            onClick={() => act({ do: selected.size || screen.pair ? 'classify' : 'label', class: name })}
          >
            {map.classKeys[index] ? <kbd>{cap(map.classKeys[index])}</kbd> : null}
            {name}
            {name === screen.proposed ? <span className="chip-note">proposed</span> : null}
          </button>
        ))}
      </div>
      <div className="verbs" role="group" aria-label="Other answers">
        {isBlind ? null : verb('accept', acceptWord(view, misfits), { do: 'accept' }, true)}
        {isSingle ? null : verb('misfit', screen.pair ? 'Other side' : 'Misfit', { do: 'toggle' })}
        {!isSingle && screen.secondGuess.some((one) => one !== null)
          ? verb('guess', 'Second guess', { do: 'guess' })
          : null}
        {screen.asks === undefined
          ? verb('name', isSingle || isMarked || selected.size ? 'Name it' : 'Name this image', { do: 'name-image' })
          : null}
        {verb('unsure', 'Do not know', { do: 'mark', why: 'unsure' })}
        {verb('broken', 'Broken', { do: 'mark', why: 'broken' })}
        {isSingle ? null : (
          <button
            type="button"
            className="verb touch-only"
            aria-pressed={isSelecting}
            onClick={() => onSelecting(!isSelecting)}
          >
            Select several
          </button>
        )}
        {verb('skip', screen.vouches === undefined ? 'Skip' : 'Some do not match', { do: 'skip' })}
        {verb('undo', 'Undo', { do: 'undo' })}
        <span className="verb-gap" />
        {isBlind ? null : verb('why', 'Why?', { do: 'why' })}
        {verb('comment', comment ? 'Comment, written' : 'Comment', { do: 'comment' })}
        {verb('instructions', 'Instructions', { do: 'instructions' })}
        {verb('help', 'All keys', { do: 'help' })}
      </div>
    </div>
  )
}

function acceptWord({ screen }: ScreenView, misfits: number): string {
  const rest = screen.images.length - misfits
  if (screen.pair) return misfits ? `The other ${rest} are right` : 'All are right'
  const what = screen.asks === undefined ? screen.proposed : `${screen.proposed}`
  return misfits ? `The other ${rest}: ${what}` : `All ${what}`
}

interface VerbProps {
  readonly keys: string
  readonly text: string
  readonly isMain: boolean
  readonly onClick: () => void
}

function Verb({ keys, text, isMain, onClick }: VerbProps) {
  return (
    <button type="button" className="verb" data-main={isMain} aria-keyshortcuts={keys || undefined} onClick={onClick}>
      {keys ? <kbd>{cap(keys)}</kbd> : null}
      {text}
    </button>
  )
}
