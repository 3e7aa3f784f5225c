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

export function resolveInput(input: Json | PlanRef, output: (node: string) => Json): Json {
  if (isPlanRef(input)) return resolveRef(input, output)
  if (Array.isArray(input)) return (input as readonly Json[]).map((item) => resolveInput(item, output))
  if (typeof input === 'object' && input !== null)
    return Object.fromEntries(Object.entries(input).map(([key, item]) => [key, resolveInput(item as Json, output)]))
  return input
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
