/** From what a definition wrote to what a plan holds: references become `PlanRef`s, and what is known is checked. */

import { z } from 'zod'
import { issueText } from '#core/errors'
import { isForeign, ITEM, refOf, templateOf } from '#core/pipeline'
import { conditionRefs, forEachRef, type Condition, type Json, type PlanRef } from '#core/plan'
import type { StepDefinition } from '#core/steps'

/** A sentence on what is wrong, without the pipeline and the place. */
export class Refusal extends Error {}

/**
 * References become `PlanRef`s, undefined fields vanish, everything else must be JSON.
 *
 * @param scope - the build that references must come from.
 * @throws {Refusal} for a reference of another build, and for what is no JSON, with its path.
 */
export function toTemplate(given: unknown, scope: object, path: readonly string[] = []): Json {
  const template = templateOf(given)
  if (template !== undefined) {
    const ref = refOf(given)
    if (ref) refuseForeign(ref, scope)
    return ref ? ({ $ref: ref.$ref, path: ref.path } as unknown as Json) : template
  }
  if (Array.isArray(given)) return given.map((entry, i) => toTemplate(entry, scope, [...path, String(i)]))
  if (isPlainObject(given))
    return Object.fromEntries(
      Object.entries(given)
        .filter(([, field]) => field !== undefined)
        .map(([key, field]) => [key, toTemplate(field, scope, [...path, key])]),
    )
  if (given === null || ['string', 'boolean'].includes(typeof given) || Number.isFinite(given)) return given as Json
  throw new Refusal(
    `input ${path.join('.') || '(input)'}: ${whatIs(given)} is no JSON; pass text, numbers, lists, objects or references`,
  )
}

const isPlainObject = (given: unknown): given is Record<string, unknown> =>
  typeof given === 'object' && given !== null && [Object.prototype, null].includes(Object.getPrototypeOf(given) as null)

const whatIs = (given: unknown): string =>
  typeof given === 'object'
    ? `a ${given?.constructor.name}`
    : typeof given === 'number'
      ? String(given)
      : `a ${typeof given}`

/** @throws {Refusal} */
export function checkCondition(condition: Condition, scope: object): void {
  for (const ref of conditionRefs(condition)) {
    refuseForeign(ref, scope)
    if (ref.$ref === ITEM) throw new Refusal('when: reads the item of a map; a condition holds for the whole node')
  }
}

function refuseForeign(ref: PlanRef, scope: object): void {
  if (isForeign(ref, scope))
    throw new Refusal(
      `reads "${[ref.$ref, ...ref.path].join('.')}" of another pipeline; pass it on as an input, with step.pipeline`,
    )
}

/**
 * Checks at submit what is known at submit: names of inputs, and every input that holds no reference.
 *
 * @throws {Refusal}
 */
export function checkLiterals(name: string, schema: StepDefinition['input'], input: Json): void {
  if (!(schema instanceof z.ZodObject)) return
  const shape = schema.shape as Readonly<Record<string, z.ZodType>>
  for (const [key, field] of Object.entries(input as Readonly<Record<string, Json>>)) {
    const wanted = shape[key]
    if (!wanted) throw new Refusal(`${name} has no input "${key}"; it has ${Object.keys(shape).join(', ') || 'none'}`)
    if (hasRef(field)) continue
    const { error } = wanted.safeParse(field)
    if (error) throw new Refusal(`input ${issueText(error, [key])}`)
  }
}

/** Ids of the nodes that the template and the condition read, sorted. */
export function needsOf(templates: readonly Json[], when: Condition | null): readonly string[] {
  const needs = new Set<string>()
  for (const template of templates) forEachRef(template, ({ $ref }) => needs.add($ref))
  for (const { $ref } of when ? conditionRefs(when) : []) needs.add($ref)
  needs.delete(ITEM)
  return [...needs].sort()
}

export function hasRef(value: Json | PlanRef, id?: string): boolean {
  let found = false
  forEachRef(value, ({ $ref }) => (found ||= id === undefined || $ref === id))
  return found
}
