/** The functions and operators that a condition may call, each with the SQL that stands for it. */
import type { ColumnKind } from './columns.ts'
import { emptyDatabase, SyntaxProblem } from './syntax-tree.ts'
import { asKind, commonKind, textLiteral, type Term } from './terms.ts'

export interface Call {
  readonly kind: ColumnKind
  readonly sql: string
}

type Build = (args: readonly Term[], name: string) => Call | Promise<Call>

interface Allowed {
  readonly arity: readonly [least: number, most: number]
  readonly build: Build
}

/** A regular expression this long is a program, not a question. */
const MAX_PATTERN = 200

/** With more wildcards DuckDB's LIKE tries all ways to share the text among them; a regular expression takes linear time. */
const LIKE_WILDCARDS = 2

const plain =
  (kind: ColumnKind, of: ColumnKind, sqlName?: string): Build =>
  (args, name) => ({ kind, sql: `${sqlName ?? name}(${args.map((arg) => asKind(arg, of)).join(', ')})` })

const arithmetic: Build = (args, name) => {
  const numbers = args.map((arg) => `CAST(${asKind(arg, 'number')} AS DOUBLE)`)
  return { kind: 'number', sql: numbers.length === 1 ? `(${name}${numbers[0]!})` : `(${numbers.join(` ${name} `)})` }
}

const sameKind: Build = (args, name) => {
  const kind = commonKind(args)
  return { kind, sql: `${name}(${args.map((arg) => asKind(arg, kind)).join(', ')})` }
}

/** `contains(source, 'x')` and `'x' in tags`, which the parser writes alike. */
const contains: Build = ([whole, part]) => {
  const found = asKind(part!, 'text')
  if (whole!.kind === 'list') return { kind: 'boolean', sql: `coalesce(list_contains(${whole!.sql}, ${found}), false)` }
  return { kind: 'boolean', sql: `contains(${asKind(whole!, 'text')}, ${found})` }
}

const listContains: Build = ([list, part]) => {
  if (list!.kind !== 'list') throw new SyntaxProblem(`${list!.text} is no list; tags and boxClasses are`, list!.byte)
  return contains([list!, part!], 'contains')
}

const length: Build = ([value]) => {
  if (value!.kind === 'list') return { kind: 'number', sql: `coalesce(len(${value!.sql}), 0)` }
  return { kind: 'number', sql: `length(${asKind(value!, 'text')})` }
}

const matches: Build = async ([text, pattern], name) => {
  const regex = constantText(pattern!, name)
  const session = await emptyDatabase()
  await session.query('SELECT regexp_matches($1::VARCHAR, $2::VARCHAR)', ['', regex]).catch((cause: unknown) => {
    const [, reason = 'it cannot be read'] = /Error: (.*)/.exec(String(cause)) ?? []
    throw new SyntaxProblem(`${pattern!.text} is no regular expression (${reason})`, pattern!.byte)
  })
  return { kind: 'boolean', sql: `regexp_matches(${asKind(text!, 'text')}, ${textLiteral(regex)})` }
}

const like =
  (options: 's' | 'si', { not = false } = {}): Build =>
  ([text, pattern]) => {
    const sql = likeSql(asKind(text!, 'text'), constantText(pattern!, 'like'), options)
    return { kind: 'boolean', sql: not ? `(NOT ${sql})` : sql }
  }

function likeSql(text: string, pattern: string, options: 's' | 'si'): string {
  const wildcards = pattern.split('%').length - 1
  if (wildcards <= LIKE_WILDCARDS) return `(${text} ${options === 's' ? 'LIKE' : 'ILIKE'} ${textLiteral(pattern)})`
  const regex = pattern
    .replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
    .replaceAll(/%+/g, '.*')
    .replaceAll('_', '.')
  return `regexp_full_match(${text}, ${textLiteral(regex)}, '${options}')`
}

function constantText(term: Term, name: string): string {
  if (typeof term.constant !== 'string')
    throw new SyntaxProblem(`the pattern of ${name} must be a text in single quotes`, term.byte)
  if (term.constant.length > MAX_PATTERN)
    throw new SyntaxProblem(`a pattern has ${MAX_PATTERN} characters at most`, term.byte)
  return term.constant
}

/** Names as the parser gives them: `~~` is LIKE, `contains` also what `in` makes of a list. */
export const FUNCTIONS: Readonly<Record<string, Allowed>> = {
  lower: { arity: [1, 1], build: plain('text', 'text') },
  upper: { arity: [1, 1], build: plain('text', 'text') },
  starts_with: { arity: [2, 2], build: plain('boolean', 'text') },
  ends_with: { arity: [2, 2], build: plain('boolean', 'text') },
  contains: { arity: [2, 2], build: contains },
  list_contains: { arity: [2, 2], build: listContains },
  length: { arity: [1, 1], build: length },
  regexp_matches: { arity: [2, 2], build: matches },
  abs: { arity: [1, 1], build: plain('number', 'number') },
  floor: { arity: [1, 1], build: plain('number', 'number') },
  ceil: { arity: [1, 1], build: plain('number', 'number') },
  round: { arity: [1, 1], build: plain('number', 'number') },
  least: { arity: [2, 8], build: sameKind },
  greatest: { arity: [2, 8], build: sameKind },
}

export const OPERATORS: Readonly<Record<string, Allowed>> = {
  '+': { arity: [1, 2], build: arithmetic },
  '-': { arity: [1, 2], build: arithmetic },
  '*': { arity: [2, 2], build: arithmetic },
  '/': { arity: [2, 2], build: arithmetic },
  '%': { arity: [2, 2], build: arithmetic },
  '~~': { arity: [2, 2], build: like('s') },
  '!~~': { arity: [2, 2], build: like('s', { not: true }) },
  '~~*': { arity: [2, 2], build: like('si') },
  '!~~*': { arity: [2, 2], build: like('si', { not: true }) },
}

export const FUNCTION_NAMES = Object.keys(FUNCTIONS).join(', ')
