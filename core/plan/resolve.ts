import type { Condition, Json, PlanRef } from './types.ts'

export function isPlanRef(value: unknown): value is PlanRef {
  return typeof value === 'object' && value !== null && '$ref' in value && 'path' in value
}

/** Calls `visit` for every reference inside an input, in reading order. */
export function forEachRef(value: Json | PlanRef, visit: (ref: PlanRef) => void): void {
  if (isPlanRef(value)) visit(value)
  else if (Array.isArray(value)) for (const item of value as readonly Json[]) forEachRef(item, visit)
  else if (typeof value === 'object' && value !== null)
    for (const item of Object.values(value)) forEachRef(item as Json, visit)
}

export function conditionRefs(condition: Condition): readonly PlanRef[] {
  switch (condition.kind) {
    case 'is':
    case 'at-least':
      return [condition.ref]
    case 'not':
      return conditionRefs(condition.of)
    case 'all':
    case 'any':
      return condition.of.flatMap(conditionRefs)
  }
}

/** @param output - gives the output of a node that has completed. */
export function resolveRef(ref: PlanRef, output: (node: string) => Json): Json {
  let value: Json = output(ref.$ref)
  for (const key of ref.path) {
    const next: Json | undefined =
      typeof value === 'object' && value !== null ? (value as Readonly<Record<string, Json>>)[key] : undefined
    // An optional field that the step left out reads as null, as JSON has no other word for it.
    value = next ?? null
  }
  return value
}

/** Stands, in the input of a map, for one item; it stays as it is until the item is known. */
const ITEM = '$item'

export function resolveInput(input: Json | PlanRef, output: (node: string) => Json): Json {
  return substitute(input, (ref) => (ref.$ref === ITEM ? (ref as unknown as Json) : resolveRef(ref, output)))
}

/** The input of a map's step for one item. */
export function resolveItem(template: Json, item: Json): Json {
  return substitute(template, (ref) => (ref.$ref === ITEM ? resolveRef(ref, () => item) : (ref as unknown as Json)))
}

function substitute(value: Json | PlanRef, by: (ref: PlanRef) => Json): Json {
  if (isPlanRef(value)) return by(value)
  if (Array.isArray(value)) return (value as readonly Json[]).map((entry) => substitute(entry, by))
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, field]) => [key, substitute(field as Json, by)]))
  return value
}

export function holds(condition: Condition, output: (node: string) => Json): boolean {
  switch (condition.kind) {
    case 'is':
      return resolveRef(condition.ref, output) === true
    case 'at-least': {
      const value = resolveRef(condition.ref, output)
      return typeof value === 'number' && value >= condition.bound
    }
    case 'not':
      return !holds(condition.of, output)
    case 'all':
      return condition.of.every((part) => holds(part, output))
    case 'any':
      return condition.of.some((part) => holds(part, output))
  }
}
