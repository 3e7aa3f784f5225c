/**
 * Which key does what on the labelling page, for one person and one list of classes.
 *
 * K1  No key means two things: commands take theirs first, then the classes that a person gave a key, then the rows of the
 *     grid; the other classes get digits and what letters are left.
 * K2  A class keeps its key whatever other class gets another one, unless it is that very key: then the two swap.
 */

/** What a person set; `core/identity` keeps it. */
export interface KeySettings {
  /** By command, those that differ from the default. */
  readonly keys: Readonly<Record<string, string>>
  /** By class. */
  readonly classKeys: Readonly<Record<string, string>>
}

export const COMMANDS = {
  accept: { key: 'enter', says: 'all that is not marked belongs; go on' },
  all: { key: 'f', says: 'all match, not one is marked; go on' },
  misfit: { key: 'x', says: 'mark or unmark a misfit' },
  guess: { key: 'g', says: 'a misfit of the class in second place' },
  name: { key: 'n', says: 'a misfit: type its class, or the name of a new one' },
  unsure: { key: 'u', says: 'a misfit: do not know' },
  broken: { key: 'b', says: 'a misfit: broken image' },
  why: { key: 'w', says: 'why is this class proposed?' },
  zoom: { key: 'z', says: 'larger, while held' },
  find: { key: '/', says: 'find the class of the screen by typing' },
  comment: { key: 'c', says: 'write a comment on this screen' },
  skip: { key: 's', says: 'skip the screen: no image of it gets a label' },
  undo: { key: 'backspace', says: 'undo: first marks, then answers, as far back as you like' },
  instructions: { key: 'i', says: 'what the classes mean' },
  help: { key: '?', says: 'these keys' },
  left: { key: '', says: 'move left, beside the arrow keys' },
  down: { key: '', says: 'move down' },
  up: { key: '', says: 'move up' },
  right: { key: '', says: 'move right' },
} as const

export type Command = keyof typeof COMMANDS
export const COMMAND_NAMES = Object.keys(COMMANDS) as readonly Command[]

/** Columns of the grid: after the letter of a row. */
export const COLUMN_KEYS = ['1', '2', '3', '4', '5', '6', '7', '8', '9', '0'] as const
/** Screens have at most so many rows of ten. */
const ROWS = 6
const LETTERS = [...'abcdefghijklmnopqrstuvwxyz']

export interface KeyMap {
  /** '' where a command has no key. */
  readonly keys: Readonly<Record<Command, string>>
  readonly commands: ReadonlyMap<string, Command>
  /** Letters of the rows, from the top. */
  readonly rows: readonly string[]
  readonly classes: readonly string[]
  /** In the order of `classes`; '' for those that have none and are found by typing. */
  readonly classKeys: readonly string[]
}

export function keyMapOf(classes: readonly string[], chosen: KeySettings = { keys: {}, classKeys: {} }): KeyMap {
  const keys = Object.fromEntries(
    COMMAND_NAMES.map((command) => [command, chosen.keys[command] ?? COMMANDS[command].key]),
  ) as Record<Command, string>
  const commands = new Map(COMMAND_NAMES.flatMap((command) => (keys[command] ? [[keys[command], command]] : [])))
  const free = LETTERS.filter((letter) => !commands.has(letter))
  const own = new Map(
    classes.flatMap((name) => {
      const key = chosen.classKeys[name]
      return key && (free.includes(key) || isColumn(key)) && !commands.has(key) ? [[name, key]] : []
    }),
  )
  const wanted = new Set(own.values())
  const rows = free.filter((letter) => !wanted.has(letter)).slice(0, ROWS)
  const left = [...COLUMN_KEYS, ...free.filter((letter) => !rows.includes(letter))].filter((key) => !commands.has(key))
  return { keys, commands, rows, classes, classKeys: swapped(classes, left, own) }
}

function swapped(classes: readonly string[], left: readonly string[], own: ReadonlyMap<string, string>): string[] {
  const keys = Array.from({ length: Math.max(classes.length, left.length) }, (_, at) => left[at] ?? '')
  for (const [name, key] of own) {
    const [at, holder] = [classes.indexOf(name), keys.indexOf(key)]
    ;[keys[at], keys[holder]] = [keys[holder]!, keys[at]!]
  }
  return keys.slice(0, classes.length)
}

const isColumn = (key: string): boolean => COLUMN_KEYS.includes(key as (typeof COLUMN_KEYS)[number])

/** What can be given to a class or a command: one letter or digit, or one of the named keys. */
export function isAssignable(key: string): boolean {
  return /^[a-z0-9]$/.test(key) || /^[^\s\w]$/.test(key) || key === 'enter' || key === 'backspace'
}

/** How a key is written on a label. */
export function cap(key: string): string {
  if (key === 'enter') return 'Enter'
  if (key === 'backspace') return '⌫'
  return key.toUpperCase()
}

/** What a person chose, with one more choice; what had that key until now gets its default, or none. */
export function withKey(settings: KeySettings, command: Command, key: string): KeySettings {
  const keys: Record<string, string> = { ...settings.keys, [command]: key }
  for (const other of COMMAND_NAMES)
    if (other !== command && key !== '' && (keys[other] ?? COMMANDS[other].key) === key) keys[other] = ''
  for (const other of COMMAND_NAMES) if (keys[other] === COMMANDS[other].key) delete keys[other]
  return { ...settings, keys }
}

export function withClassKey(settings: KeySettings, name: string, key: string): KeySettings {
  const rest = Object.entries(settings.classKeys).filter(([other, held]) => other !== name && held !== key)
  return { ...settings, classKeys: Object.fromEntries(key ? [...rest, [name, key]] : rest) }
}
