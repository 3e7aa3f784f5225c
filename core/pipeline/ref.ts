import type { Condition, PlanRef } from '#core/plan'

declare const value: unique symbol

/** Stands for a value of type T that a step will give: pass it on, or read a field of it to pass that on. */
export type Ref<T> = RefOf<T> & FieldsOf<T>

interface RefOf<T> {
  readonly [value]: T
}
type FieldsOf<T> = [NonNullable<T>] extends [readonly unknown[]]
  ? unknown
  : [NonNullable<T>] extends [object]
    ? { readonly [K in keyof NonNullable<T>]-?: Ref<NonNullable<T>[K] | Extract<T, null | undefined>> }
    : unknown

/** What a step's input may be written as: values, references, or structures that mix the two. */
export type Wired<T> =
  | T
  | RefOf<T>
  | (T extends readonly (infer E)[]
      ? readonly Wired<E>[]
      : T extends object
        ? { readonly [K in keyof T]: Wired<T[K]> }
        : never)

const target = Symbol.for('gyre.ref')

/** A reference to the output of node `id`; its properties are references too, made as they are read. */
export function makeRef<T>(id: string, path: readonly string[] = []): Ref<T> {
  const ref: PlanRef = { $ref: id, path }
  return new Proxy(ref, {
    get(_, key) {
      if (key === target) return ref
      if (typeof key === 'symbol') return undefined
      return makeRef(id, [...path, key])
    },
    has: (_, key) => key === target,
  }) as unknown as Ref<T>
}

export function refOf(candidate: unknown): PlanRef | null {
  if (typeof candidate !== 'object' || candidate === null || !(target in candidate)) return null
  return (candidate as Record<symbol, PlanRef>)[target] ?? null
}

export type When = RefOf<boolean> | Condition

const toCondition = (when: When): Condition => {
  const ref = refOf(when)
  return ref ? { kind: 'is', ref } : (when as Condition)
}

/** The condition holds when the given one does not. */
export const not = (when: When): Condition => ({ kind: 'not', of: toCondition(when) })
/** The condition holds when all given ones do. */
export const all = (...whens: readonly When[]): Condition => ({ kind: 'all', of: whens.map(toCondition) })
/** The condition holds when at least one of the given ones does. */
export const any = (...whens: readonly When[]): Condition => ({ kind: 'any', of: whens.map(toCondition) })
/** The condition holds when a number reaches a bound. */
export const atLeast = (number: RefOf<number>, bound: number): Condition => ({
  kind: 'at-least',
  ref: refOf(number)!,
  bound,
})

export { toCondition }
