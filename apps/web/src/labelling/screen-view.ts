/** One screen as the annotator has it in hand: which image has the focus, what was marked, and how to take a mark back. */
import type { Answer, Screen } from '../api/types.ts'

/** Why an image does not belong to the class of its screen. `class` null and no `why`: another class, not named. */
export interface Mark {
  readonly class: string | null
  readonly why?: 'unsure' | 'broken'
}

export interface ScreenView {
  readonly screen: Screen
  readonly focus: number
  /** By position; null: the image belongs. */
  readonly marks: readonly (Mark | null)[]
  /** The marks before each change, oldest first. */
  readonly past: readonly (readonly (Mark | null)[])[]
}

/** Opens a screen; with the answer that was withdrawn, as it was left. */
export function openView(screen: Screen, withdrawn?: Answer): ScreenView {
  const misfits = new Map(withdrawn?.misfits.map(({ image, ...mark }) => [image, mark]))
  return { screen, focus: 0, marks: screen.images.map((image) => misfits.get(image) ?? null), past: [] }
}

/** Sets or clears the mark of one image and moves the focus there. */
export function mark(view: ScreenView, at: number, value: Mark | null): ScreenView {
  if (at < 0 || at >= view.marks.length) return view
  return { ...view, focus: at, marks: view.marks.with(at, value), past: [...view.past, view.marks] }
}

export function toggle(view: ScreenView, at: number): ScreenView {
  return mark(view, at, view.marks[at] ? null : { class: null })
}

/** @returns the view before the last mark, or null when there is none to take back. */
export function unmark(view: ScreenView): ScreenView | null {
  const before = view.past.at(-1)
  return before ? { ...view, marks: before, past: view.past.slice(0, -1) } : null
}

/** Moves the focus within the grid, never out of it. */
export function move(view: ScreenView, columns: number, rows: number, width: number): ScreenView {
  const to = view.focus + columns + rows * width
  return to >= 0 && to < view.marks.length ? { ...view, focus: to } : view
}

/** The screen's answer. An image marked with the very class of the screen is no misfit. */
export function answerOf(view: ScreenView, className: string | null, activeMs: number | null): Answer {
  const misfits = view.marks.flatMap((mark, at) =>
    mark && !(className !== null && mark.class === className) ? [{ image: view.screen.images[at]!, ...mark }] : [],
  )
  return { screen: view.screen.id, class: className, misfits, activeMs }
}
