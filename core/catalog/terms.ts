/** Checked pieces of a condition: SQL of our own making, and what kind of value it gives. */
import { SyntaxProblem } from './syntax-tree.ts'
import type { ColumnKind } from './columns.ts'

/** `attribute` is what an image's attributes hold under a name: as whatever it is compared with. `null` fits all. */
export type Kind = ColumnKind | 'attribute' | 'null'

export interface Term {
  readonly sql: string
  readonly kind: Kind
  /** Of a constant alone. */
  readonly constant?: string | number | boolean | null
  /** Of a column of digests: its bytes. */
  readonly bytes?: string
  /** As a person wrote or would write it, for messages. */
  readonly text: string
  /** Where it stands. */
  readonly byte: number | null
}

const SAID: Readonly<Record<Kind, string>> = {
  text: 'text',
  number: 'a number',
  boolean: 'true or false',
  list: 'a list of texts',
  attribute: 'an attribute',
  null: 'null',
}

/**
 * SQL of the term as a value of the kind wanted.
 *
 * @throws {SyntaxProblem} where it can be none.
 */
export function asKind(term: Term, wanted: ColumnKind): string {
  if (term.kind === wanted || term.kind === 'null') return term.sql
  if (term.kind === 'attribute' && wanted === 'text') return term.sql
  if (term.kind === 'attribute' && wanted !== 'list')
    return `TRY_CAST(${term.sql} AS ${wanted === 'number' ? 'DOUBLE' : 'BOOLEAN'})`
  throw new SyntaxProblem(`${term.text} is ${SAID[term.kind]} where ${SAID[wanted]} belongs`, term.byte)
}

/** The kind in which terms can be compared: that of the first one that has a kind of its own. */
export function commonKind(terms: readonly Term[]): ColumnKind {
  for (const { kind } of terms) if (kind !== 'attribute' && kind !== 'null') return kind
  return 'text'
}

/**
 * SQL of terms that are compared with each other, all in one kind. Digests are compared as the bytes that are stored.
 *
 * @throws {SyntaxProblem} where kinds differ, and for lists: `'x' in tags` is the question to ask of them.
 */
export function comparable(terms: readonly Term[]): string[] {
  const list = terms.find(({ kind }) => kind === 'list')
  if (list) throw new SyntaxProblem(`${list.text} is a list; ask 'x' in ${list.text}`, list.byte)
  const [first, ...others] = terms
  if (first?.bytes && others.every(({ constant }) => typeof constant === 'string' && WHOLE_DIGEST.test(constant)))
    return [first.bytes, ...others.map(({ constant }) => `unhex('${String(constant)}')`)]
  const kind = commonKind(terms)
  return terms.map((term) => asKind(term, kind))
}

const WHOLE_DIGEST = /^[0-9a-f]{64}$/

export function textLiteral(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}
