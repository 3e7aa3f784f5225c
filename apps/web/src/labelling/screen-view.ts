/** One screen as the annotator has it in hand: what has the focus, what is selected, what was marked, and how to take it back. */
import type { Answer, Screen } from '../api/types.ts'

/** Why an image does not belong to the class of its screen. `class` null and no `why`: another class, not named. */
export interface Mark {
  readonly class: string | null
  readonly why?: 'unsure' | 'broken' | 'new'
  /** Name of the new class. */
  readonly note?: string
}

type Marks = readonly (Mark | null)[]

export interface ScreenView {
  readonly screen: Screen
  readonly focus: number
  /** Where a selection began. */
  readonly anchor: number
  /** What marks go to; the image in focus where it is empty. */
  readonly selected: ReadonlySet<number>
  /** By position; null: the image belongs. */
  readonly marks: Marks
  /** The marks before each change, oldest first. */
  readonly past: readonly Marks[]
  /** What was taken back, newest first. */
  readonly future: readonly Marks[]
  readonly comment: string
}

const NONE: ReadonlySet<number> = new Set()

/** Opens a screen; with the answer that was withdrawn, as it was left. */
export function openView(
  screen: Screen,
  withdrawn?: Pick<Answer, 'misfits'> & { readonly comment?: string },
): ScreenView {
  const misfits = new Map(withdrawn?.misfits.map(({ image, ...mark }) => [image, mark]))
  const marks = screen.images.map((image) => misfits.get(image) ?? null)
  const comment = withdrawn?.comment ?? ''
  return { screen, focus: 0, anchor: 0, selected: NONE, marks, past: [], future: [], comment }
}

/** The images that a mark goes to now. */
export const targets = ({ selected, focus }: ScreenView): readonly number[] => (selected.size ? [...selected] : [focus])

/** Sets or clears the marks of some images. */
export function mark(view: ScreenView, ats: readonly number[], value: Mark | null): ScreenView {
  const changed = new Set(ats)
  const marks = view.marks.map((given, at) => (changed.has(at) ? value : given))
  return { ...view, marks, past: [...view.past, view.marks], future: [], selected: NONE }
}

/** Marks those that are not; where all are, unmarks them. */
export function toggle(view: ScreenView, ats: readonly number[]): ScreenView {
  if (ats.every((at) => view.marks[at])) return mark(view, ats, null)
  const open = ats.filter((at) => !view.marks[at])
  const marks = view.marks.map((given, at) => (open.includes(at) ? misfitOf(view.screen, at) : given))
  return { ...view, marks, past: [...view.past, view.marks], future: [], selected: NONE }
}

/** Where there are two answers only, a misfit has the other one. */
function misfitOf(screen: Screen, at: number): Mark {
  const home = homeOf(screen, at)
  const pair = screen.pair ?? (screen.asks === undefined ? undefined : YES_NO)
  return { class: (pair && home !== null && pair.find((one) => one !== home)) || null }
}

/** What is said of each image of a screen that asks for one class of several. */
export const YES_NO = ['yes', 'no'] as const

/** What an image has when nobody marks it. */
export function homeOf({ proposed, proposals }: Screen, at: number): string | null {
  return proposals?.[at] ?? proposed
}

/** @returns the view before the last mark, or null when there is none to take back. */
export function unmark(view: ScreenView): ScreenView | null {
  const before = view.past.at(-1)
  return before ? { ...view, marks: before, past: view.past.slice(0, -1), future: [view.marks, ...view.future] } : null
}

/** @returns the view with the mark that was taken back last, or null when there is none. */
export function remark(view: ScreenView): ScreenView | null {
  const [next, ...future] = view.future
  return next ? { ...view, marks: next, past: [...view.past, view.marks], future } : null
}

/** Puts the focus on an image, and lets the selection go. */
export function focusOn(view: ScreenView, at: number): ScreenView {
  if (at === view.focus && view.anchor === at && view.selected.size === 0) return view
  return { ...view, focus: at, anchor: at, selected: NONE }
}

/** Selects images; the last one gets the focus. The anchor stays, so that a selection can grow and shrink. */
export function select(view: ScreenView, ats: readonly number[], focus = ats.at(-1) ?? view.focus): ScreenView {
  return { ...view, focus, selected: new Set(ats) }
}

/** What is marked, as it stands. */
export function misfitsOf({ screen, marks }: ScreenView): Answer['misfits'] {
  return marks.flatMap((given, at) => (given ? [{ image: screen.images[at]!, ...given }] : []))
}

/** The screen's answer. An image marked with what it has anyway is no misfit. */
export function answerOf(view: ScreenView, className: string | null, activeMs: number | null): Answer {
  const { screen, marks, comment } = view
  const misfits = marks.flatMap((given, at) => {
    if (!given) return []
    const home = screen.proposals?.[at] ?? className
    const other = screen.asks !== undefined && given.class === null && !given.why && home !== null
    const value = other ? { class: YES_NO.find((one) => one !== home)! } : given
    return home !== null && value.class === home ? [] : [{ image: screen.images[at]!, ...value }]
  })
  return { screen: screen.id, class: className, misfits, activeMs, ...(comment ? { comment } : {}) }
}
