/** What a key press means on the labelling page, as a pure function of the press and of who has which key. */
import { COLUMN_KEYS, type Command, type KeyMap } from './key-map.ts'

export type Intent =
  /** Every image of the screen that is not a misfit has this class; go on. */
  | { readonly do: 'label'; readonly class: string }
  /** What is proposed holds for all that is not marked; go on. */
  | { readonly do: 'accept' }
  /** It holds for all, and not one is marked; go on. */
  | { readonly do: 'all' }
  /** What is selected, else the image in focus, are misfits of this class. */
  | { readonly do: 'classify'; readonly class: string }
  | { readonly do: 'toggle' }
  | { readonly do: 'guess' }
  | { readonly do: 'mark'; readonly why: 'unsure' | 'broken' }
  /** Misfits of a class that does not exist yet. */
  | { readonly do: 'new'; readonly name: string }
  | { readonly do: 'move'; readonly columns: number; readonly rows: number; readonly extends: boolean }
  /** The first half of `d4`; null takes it back. */
  | { readonly do: 'row'; readonly row: number | null }
  /** The second half of `d4`. */
  | { readonly do: 'cell'; readonly column: number }
  | { readonly do: 'select-all' | 'deselect' | 'skip' | 'undo' | 'redo' }
  | { readonly do: 'name-screen' | 'name-image' | 'zoom' | 'why' | 'comment' | 'instructions' | 'help' }

/** What of a keyboard event decides. */
export interface Press {
  readonly key: string
  readonly code: string
  readonly shiftKey: boolean
  readonly ctrlKey: boolean
  readonly metaKey: boolean
  readonly altKey: boolean
}

const STEPS: Readonly<Record<string, readonly [columns: number, rows: number]>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
  left: [-1, 0],
  right: [1, 0],
  up: [0, -1],
  down: [0, 1],
}

const COMMANDED: Readonly<Record<Exclude<Command, 'left' | 'right' | 'up' | 'down'>, Intent>> = {
  accept: { do: 'accept' },
  all: { do: 'all' },
  misfit: { do: 'toggle' },
  guess: { do: 'guess' },
  name: { do: 'name-image' },
  unsure: { do: 'mark', why: 'unsure' },
  broken: { do: 'mark', why: 'broken' },
  why: { do: 'why' },
  zoom: { do: 'zoom' },
  find: { do: 'name-screen' },
  comment: { do: 'comment' },
  skip: { do: 'skip' },
  undo: { do: 'undo' },
  instructions: { do: 'instructions' },
  help: { do: 'help' },
}

/** @returns what the key press means, or null when it is not ours. */
export function intentOf(press: Press, map: KeyMap, waitsForColumn: boolean): Intent | null {
  const key = keyName(press)
  if (press.ctrlKey || press.metaKey) return withControl(key, press.shiftKey)
  if (press.altKey) return null
  const step = STEPS[press.key]
  if (step) return moveBy(step, press.shiftKey)
  if (waitsForColumn) {
    const column = COLUMN_KEYS.indexOf(key as (typeof COLUMN_KEYS)[number])
    if (column >= 0) return { do: 'cell', column }
    if (key === 'escape' || key === 'backspace') return { do: 'row', row: null }
  }
  if (key === 'escape') return { do: 'deselect' }
  if (key === ' ') return { do: 'accept' }
  const command = map.commands.get(key)
  if (command)
    return command in STEPS ? moveBy(STEPS[command]!, press.shiftKey) : COMMANDED[command as keyof typeof COMMANDED]
  const named = map.classes[map.classKeys.indexOf(key)]
  if (named !== undefined) return press.shiftKey ? { do: 'classify', class: named } : { do: 'label', class: named }
  const row = map.rows.indexOf(key)
  return row >= 0 ? { do: 'row', row } : null
}

function moveBy([columns, rows]: readonly [number, number], extend: boolean): Intent {
  return { do: 'move', columns, rows, extends: extend }
}

function withControl(key: string, shift: boolean): Intent | null {
  if (key === 'z') return { do: shift ? 'redo' : 'undo' }
  if (key === 'y') return { do: 'redo' }
  return key === 'a' ? { do: 'select-all' } : null
}

/**
 * The name of a key. Digits go by their place on the keyboard, so that Shift and other layouts do not change them, and so
 * do letters where the layout has no Latin ones.
 */
export function keyName({ key, code }: Pick<Press, 'key' | 'code'>): string {
  const digit = /^(?:Digit|Numpad)(\d)$/.exec(code)?.[1]
  if (digit !== undefined) return digit
  const latin = /^Key([A-Z])$/.exec(code)?.[1]
  const isForeign = key.length === 1 && key.charCodeAt(0) > 0x24f
  return (isForeign && latin ? latin : key).toLowerCase()
}
