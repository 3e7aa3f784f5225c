/** Conditions of nodes: a boolean that a step gives, a number that reaches a bound, and what combines them. */

import type { Condition } from '#core/plan'
import { refOf, templateOf, type RefOf } from './ref.ts'

/** What `when` takes: a reference to a boolean, or a condition made of such. */
export type When = RefOf<boolean> | Condition

const ALWAYS: Condition = { kind: 'all', of: [] }
const NEVER: Condition = { kind: 'any', of: [] }

export function toCondition(when: When): Condition {
  const ref = refOf(when)
  if (ref) return { kind: 'is', ref }
  const known = templateOf(when)
  return known === undefined ? (when as Condition) : known === true ? ALWAYS : NEVER
}

/** The condition holds when the given one does not. */
export const not = (when: When): Condition => ({ kind: 'not', of: toCondition(when) })
/** The condition holds when all given ones do. */
export const all = (...whens: readonly When[]): Condition => ({ kind: 'all', of: whens.map(toCondition) })
/** The condition holds when at least one of the given ones does. */
export const any = (...whens: readonly When[]): Condition => ({ kind: 'any', of: whens.map(toCondition) })

/** The condition holds when a number reaches a bound. */
export function atLeast(number: RefOf<number>, bound: number): Condition {
  const ref = refOf(number)
  if (ref) return { kind: 'at-least', ref, bound }
  const known = templateOf(number)
  return typeof known === 'number' && known >= bound ? ALWAYS : NEVER
}
