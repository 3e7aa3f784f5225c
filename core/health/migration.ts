/**
 * Changes of what labels may say, as operations on classes: add, remove, rename, merge, split. Where each label goes is
 * known before anything is written, and exactly which images a person must look at: those whose class was removed, or
 * split without an attribute that decides.
 */
import { z } from 'zod'
import { PlatformError } from '#core/errors'
import type { LabelSchema } from '#core/datasets'

const className = z.string().min(1).max(200)

export const operation = z.discriminatedUnion('do', [
  z.strictObject({ do: z.literal('add'), class: className }),
  z.strictObject({ do: z.literal('remove'), class: className }),
  z.strictObject({ do: z.literal('rename'), class: className, to: className }),
  z.strictObject({ do: z.literal('merge'), classes: z.array(className).min(2).readonly(), to: className }),
  z.strictObject({
    do: z.literal('split'),
    class: className,
    into: z.array(className).min(2).readonly(),
    by: className.optional().describe('An attribute whose values are the new classes: it decides where it says one'),
  }),
])
export type Operation = z.infer<typeof operation>

/** Where a label goes: to a class, to a person (null), or where an attribute says. */
export type Destination = string | null | { readonly by: string; readonly of: Readonly<Record<string, Destination>> }

export interface Migration {
  readonly classes: readonly string[]
  /** Of each class before. */
  readonly to: ReadonlyMap<string, Destination>
}

/**
 * @param classes - what may be said now.
 * @throws {PlatformError} `INVALID_INPUT` for an operation on a class that is not there, or that makes one twice.
 */
export function planMigration(classes: readonly string[], operations: readonly Operation[]): Migration {
  let now = [...classes]
  const to = new Map<string, Destination>(classes.map((name) => [name, name]))
  for (const step of operations) {
    const { moved, result } = effectOf(step, now)
    for (const [name, destination] of to) to.set(name, follow(destination, moved))
    const twice = result.find((name, i) => result.indexOf(name) !== i)
    if (twice !== undefined)
      throw invalid(`${step.do} makes class ${twice} twice; give a name that is free, or merge`, step)
    now = result
  }
  return { classes: now, to }
}

interface Effect {
  /** Where the labels of each class that changes go. */
  readonly moved: ReadonlyMap<string, Destination>
  readonly result: string[]
}

function effectOf(step: Operation, classes: readonly string[]): Effect {
  const replaced = (name: string, by: readonly string[]): string[] => {
    if (!classes.includes(name))
      throw invalid(`there is no class ${name} to ${step.do}; there are ${classes.join(', ')}`, step)
    return classes.flatMap((other) => (other === name ? by : [other]))
  }
  switch (step.do) {
    case 'add':
      return { moved: new Map(), result: [...classes, step.class] }
    case 'remove':
      return { moved: new Map([[step.class, null]]), result: replaced(step.class, []) }
    case 'rename':
      return { moved: new Map([[step.class, step.to]]), result: replaced(step.class, [step.to]) }
    case 'merge': {
      for (const name of step.classes) replaced(name, [])
      const [first] = step.classes
      const others = new Set([...step.classes.slice(1), step.to])
      const result = classes
        .filter((name) => name === first || !others.has(name))
        .map((name) => (name === first ? step.to : name))
      return { moved: new Map(step.classes.map((name) => [name, step.to])), result }
    }
    case 'split': {
      const decided = { by: step.by ?? '', of: Object.fromEntries(step.into.map((name) => [name, name])) }
      return { moved: new Map([[step.class, step.by ? decided : null]]), result: replaced(step.class, step.into) }
    }
  }
}

function follow(destination: Destination, moved: Effect['moved']): Destination {
  if (destination === null) return null
  if (typeof destination === 'string') return moved.has(destination) ? moved.get(destination)! : destination
  const of = Object.entries(destination.of).map(([value, next]) => [value, follow(next, moved)])
  return { by: destination.by, of: Object.fromEntries(of) as Record<string, Destination> }
}

function invalid(message: string, step: Operation): PlatformError {
  return new PlatformError('INVALID_INPUT', message, { operation: step })
}

/** The schema with its classes migrated. */
export function migratedSchema(schema: LabelSchema, { classes }: Migration, of: 'labels' | 'boxes'): LabelSchema {
  return of === 'boxes' ? { ...schema, boxes: classes } : { ...schema, classes }
}
