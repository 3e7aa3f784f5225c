/**
 * Forms of approvals, as pages and command lines need them: which fields there are, and how text becomes their values. What
 * fits is decided by the workflow, which checks against the schema.
 */

import { PlatformError } from '#core/errors'
import type { FormSchema } from './questions.ts'

export interface FormField {
  readonly name: string
  /** `json`: anything that has no field of its own. */
  readonly kind: 'text' | 'number' | 'boolean' | 'choice' | 'json'
  readonly title: string
  readonly help: string
  readonly required: boolean
  /** Of a choice. */
  readonly choices: readonly string[]
  readonly initial: unknown
  readonly step: 'any' | '1'
  readonly minimum: number | null
  readonly maximum: number | null
}

interface PropertySchema {
  readonly type?: string
  readonly enum?: readonly unknown[]
  readonly title?: string
  readonly description?: string
  readonly default?: unknown
  readonly minimum?: number
  readonly maximum?: number
}

/** The fields of a form in the order of its definition. */
export function fieldsOf(schema: FormSchema): readonly FormField[] {
  const properties = (schema.properties ?? {}) as Readonly<Record<string, PropertySchema>>
  const required = new Set((schema.required ?? []) as readonly string[])
  return Object.entries(properties).map(([name, property]) => ({
    name,
    kind: kindOf(property),
    title: property.title ?? name,
    help: property.description ?? '',
    required: required.has(name),
    choices: (property.enum ?? []).map(String),
    initial: property.default,
    step: property.type === 'integer' ? '1' : 'any',
    minimum: boundOf(property.minimum),
    maximum: boundOf(property.maximum),
  }))
}

/** Bounds that only say "a safe integer" tell a person nothing. */
function boundOf(bound: number | undefined): number | null {
  return bound === undefined || Math.abs(bound) >= Number.MAX_SAFE_INTEGER ? null : bound
}

function kindOf({ type, enum: choices }: PropertySchema): FormField['kind'] {
  if (choices?.every((choice) => typeof choice === 'string')) return 'choice'
  if (type === 'string') return 'text'
  if (type === 'number' || type === 'integer') return 'number'
  return type === 'boolean' ? 'boolean' : 'json'
}

/**
 * Values from text, as `--form key=value` and pages give it: numbers, truth values and JSON are read, text stays text. What
 * is left empty or out takes its default.
 *
 * @throws {PlatformError} `INVALID_INPUT` for a field that the form does not have.
 */
export function readForm(schema: FormSchema, texts: Readonly<Record<string, string>>): Record<string, unknown> {
  const fields = fieldsOf(schema)
  const unknown = Object.keys(texts).find((name) => !fields.some((field) => field.name === name))
  if (unknown !== undefined)
    throw new PlatformError(
      'INVALID_INPUT',
      `form.${unknown}: the form has no such field; it has ${fields.map(({ name }) => name).join(', ') || 'none'}`,
      { field: unknown },
    )
  const given = fields
    .filter(({ name, kind }) => texts[name] !== undefined && (texts[name] !== '' || kind === 'text'))
    .map((field) => [field.name, valueOf(field, texts[field.name]!)] as const)
  return withDefaults(schema, Object.fromEntries(given.filter(([, value]) => value !== '')))
}

/** What is left out takes its default. */
export function withDefaults(schema: FormSchema, form: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const initial = fieldsOf(schema).filter(({ initial }) => initial !== undefined)
  return { ...Object.fromEntries(initial.map((field) => [field.name, field.initial])), ...form }
}

function valueOf({ kind }: FormField, text: string): unknown {
  if (kind === 'text' || kind === 'choice') return text
  if (kind === 'boolean' && (text === 'on' || text === 'yes')) return true
  if (kind === 'boolean' && (text === 'off' || text === 'no')) return false
  try {
    return JSON.parse(text) as unknown
  } catch {
    return text
  }
}
