/** References: what stands in a definition for values that steps will give. */

import type { Json, PlanRef } from '#core/plan'

declare const value: unique symbol

/** Stands for a value of type T that a step will give: pass it on, or read a field of it to pass that on. */
export type Ref<T> = RefOf<T> & FieldsOf<T>

export interface RefOf<T> {
  readonly [value]: T
}
type FieldsOf<T> = [NonNullable<T>] extends [readonly unknown[]]
  ? unknown
  : [NonNullable<T>] extends [object]
    ? { readonly [K in keyof NonNullable<T>]-?: Ref<NonNullable<T>[K] | Extract<T, null | undefined>> }
    : unknown

/** The item of a map, inside its `input`; no node has this name. */
export const ITEM = '$item'

const target = Symbol.for('gyre.ref')

/** What a reference stands for: of a value that is known at submit, the value itself, which may hold references. */
interface Target {
  readonly template: Json
}

/** Which build made a reference; those of another one mean other nodes. */
const scopes = new WeakMap<PlanRef, object>()

/** A reference to the output of node `id`; its properties are references too, made as they are read. */
export function makeRef<T>(id: string, path: readonly string[] = [], scope?: object): Ref<T> {
  const ref: PlanRef = { $ref: id, path }
  if (scope) scopes.set(ref, scope)
  return proxyOf({ template: ref as unknown as Json }, (key) => makeRef(id, [...path, key], scope))
}

/** As `makeRef`, to a value that is known already, in whole or in part. */
export function makeWired<T>(template: Json, scope?: object): Ref<T> {
  const ref = asPlanRef(template)
  if (ref) return makeRef(ref.$ref, ref.path, scope)
  const fields = template as Readonly<Record<string, Json>> | null
  return proxyOf({ template }, (key) =>
    makeWired(typeof fields === 'object' && fields ? (fields[key] ?? null) : null, scope),
  )
}

function proxyOf<T>(stands: Target, field: (key: string) => unknown): Ref<T> {
  return new Proxy(stands, {
    get(_, key) {
      if (key === target) return stands
      return typeof key === 'symbol' ? undefined : field(key)
    },
    has: (_, key) => key === target,
  }) as unknown as Ref<T>
}

/** What a reference stands for; undefined for anything else. */
export function templateOf(candidate: unknown): Json | undefined {
  if (typeof candidate !== 'object' || candidate === null || !(target in candidate)) return undefined
  return (candidate as Record<symbol, Target>)[target]?.template
}

/** The reference to a node's output that this is, else null. */
export function refOf(candidate: unknown): PlanRef | null {
  const template = templateOf(candidate)
  return template === undefined ? null : asPlanRef(template)
}

/** Whether `ref` was made by another build than `scope`. */
export function isForeign(ref: PlanRef, scope: object): boolean {
  return (scopes.get(ref) ?? scope) !== scope
}

function asPlanRef(template: Json): PlanRef | null {
  return typeof template === 'object' && template !== null && '$ref' in template
    ? (template as unknown as PlanRef)
    : null
}
