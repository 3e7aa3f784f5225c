/** The classes with their keys, and the other things that can be said of a screen or of the image in focus. */
import type { Screen } from '../api/types.ts'
import { CLASS_KEYS, type Intent } from './keys.ts'

interface ClassBarProps {
  readonly classes: readonly string[]
  readonly screen: Screen
  /** Whether the image in focus is marked as a misfit. */
  readonly marked: boolean
  /** How many are. */
  readonly misfits: number
  readonly act: (intent: Intent) => void
}

export function ClassBar({ classes, screen, marked, misfits, act }: ClassBarProps) {
  const guess = screen.kind !== 'single' && screen.secondGuess.some((one) => one !== null)
  const single = screen.kind === 'single'
  return (
    <div className="class-bar-area">
      <div className="chips" role="group" aria-label="Classes">
        {classes.map((name, index) => (
          <button
            key={name}
            type="button"
            className="chip"
            data-proposed={name === screen.proposed}
            aria-keyshortcuts={CLASS_KEYS[index]}
            onClick={() => act({ do: 'label', class: name })}
          >
            {CLASS_KEYS[index] ? <kbd>{CLASS_KEYS[index]}</kbd> : null}
            {name}
            {name === screen.proposed ? <span className="chip-note">proposed</span> : null}
          </button>
        ))}
      </div>
      <div className="verbs" role="group" aria-label="Other answers">
        {screen.proposed !== null ? (
          <Verb
            keys="Enter"
            text={
              misfits ? `The other ${screen.images.length - misfits}: ${screen.proposed}` : `All ${screen.proposed}`
            }
            main
            onClick={() => act({ do: 'accept' })}
          />
        ) : null}
        {single ? null : <Verb keys="X" text="Misfit" onClick={() => act({ do: 'toggle' })} />}
        {guess ? <Verb keys="G" text="Second guess" onClick={() => act({ do: 'guess' })} /> : null}
        {single ? null : (
          <Verb
            keys="N"
            text={marked ? 'Name this misfit' : 'Name this image'}
            onClick={() => act({ do: 'name-image' })}
          />
        )}
        <Verb keys="U" text="Do not know" onClick={() => act({ do: 'why', why: 'unsure' })} />
        <Verb keys="B" text="Broken" onClick={() => act({ do: 'why', why: 'broken' })} />
        <Verb keys="S" text="Skip" onClick={() => act({ do: 'skip' })} />
        <Verb keys="⌫" text="Undo" onClick={() => act({ do: 'undo' })} />
        <Verb keys="?" text="All keys" onClick={() => act({ do: 'help' })} />
      </div>
    </div>
  )
}

function Verb({
  keys,
  text,
  main = false,
  onClick,
}: {
  keys: string
  text: string
  main?: boolean
  onClick: () => void
}) {
  return (
    <button type="button" className="verb" data-main={main} onClick={onClick}>
      <kbd>{keys}</kbd>
      {text}
    </button>
  )
}
