/**
 * The keyboard of the labelling page, as a pure table. Digits, then letters, name classes; a row letter and a digit mark
 * one image (`d4`); every key does one thing on every screen, so the letters of rows, classes and commands never meet.
 */

/** Rows of the grid. `b` is missing on purpose: it marks a broken image. */
export const ROW_KEYS = ['a', 'c', 'd', 'e', 'f', 'h'] as const
/** Columns of the grid. */
export const COLUMN_KEYS = ['1', '2', '3', '4', '5', '6', '7', '8', '9', '0'] as const
/** Classes in their order; those beyond are found by typing their name. */
export const CLASS_KEYS = [...COLUMN_KEYS, 'i', 'j', 'k', 'l', 'm', 'o', 'p', 'q', 'r', 't', 'v', 'w', 'y'] as const

export type Intent =
  /** Every image of the screen that is not a misfit has this class; go on. */
  | { readonly do: 'label'; readonly class: string }
  /** The proposed class holds; go on. */
  | { readonly do: 'accept' }
  /** The image in focus is a misfit of this class. */
  | { readonly do: 'classify'; readonly class: string }
  | { readonly do: 'toggle' }
  | { readonly do: 'guess' }
  | { readonly do: 'why'; readonly why: 'unsure' | 'broken' }
  | { readonly do: 'move'; readonly columns: number; readonly rows: number }
  /** The first half of `d4`; null takes it back. */
  | { readonly do: 'row'; readonly row: number | null }
  /** The second half of `d4`. */
  | { readonly do: 'cell'; readonly column: number }
  | { readonly do: 'skip' }
  | { readonly do: 'undo' }
  | { readonly do: 'name-screen' }
  | { readonly do: 'name-image' }
  | { readonly do: 'zoom' }
  | { readonly do: 'help' }

/** What of a keyboard event decides. */
export interface Press {
  readonly key: string
  readonly code: string
  readonly shiftKey: boolean
  readonly ctrlKey: boolean
  readonly metaKey: boolean
  readonly altKey: boolean
}

const ARROWS: Readonly<Record<string, readonly [columns: number, rows: number]>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
}

const COMMANDS: Readonly<Record<string, Intent>> = {
  enter: { do: 'accept' },
  ' ': { do: 'accept' },
  x: { do: 'toggle' },
  g: { do: 'guess' },
  u: { do: 'why', why: 'unsure' },
  b: { do: 'why', why: 'broken' },
  s: { do: 'skip' },
  n: { do: 'name-image' },
  z: { do: 'zoom' },
  backspace: { do: 'undo' },
  '/': { do: 'name-screen' },
  '?': { do: 'help' },
}

/** @returns what the key press means, or null when it is not ours. */
export function intentOf(press: Press, classes: readonly string[], waitsForColumn: boolean): Intent | null {
  const key = keyName(press)
  if (press.ctrlKey || press.metaKey) return key === 'z' && !press.shiftKey ? { do: 'undo' } : null
  if (press.altKey) return null
  const arrow = ARROWS[press.key]
  if (arrow) return { do: 'move', columns: arrow[0], rows: arrow[1] }
  if (waitsForColumn) {
    const column = COLUMN_KEYS.indexOf(key as (typeof COLUMN_KEYS)[number])
    if (column >= 0) return { do: 'cell', column }
    if (key === 'escape' || key === 'backspace') return { do: 'row', row: null }
  }
  const named = classes[CLASS_KEYS.indexOf(key as (typeof CLASS_KEYS)[number])]
  if (named !== undefined) return press.shiftKey ? { do: 'classify', class: named } : { do: 'label', class: named }
  const row = ROW_KEYS.indexOf(key as (typeof ROW_KEYS)[number])
  if (row >= 0) return { do: 'row', row }
  return COMMANDS[key] ?? null
}

/** Digits by their place on the keyboard, so that Shift and other layouts do not change them. */
function keyName({ key, code }: Press): string {
  const digit = /^(?:Digit|Numpad)(\d)$/.exec(code)?.[1]
  return digit ?? key.toLowerCase()
}
