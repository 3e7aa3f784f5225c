/**
 * Conditions as people write them (`label = 'scratch' and blur > 0.4`), as SQL that is safe to run. A condition comes
 * from anybody who may look at a dataset, and is taken for hostile.
 *
 * C1  The text itself never reaches a database as SQL: DuckDB's parser makes a tree of it, and what runs is written anew
 *     from that tree, node by node. A kind of node, a function, a column that is not on our lists has no way through.
 * C2  Text, tree and patterns are bounded, so that a condition costs one pass over the table at most.
 * C3  Kinds are checked here, so that no row can make a condition fail.
 */
import { PlatformError } from '#core/errors'
import { columnNamed, columnNames } from './columns.ts'
import { FUNCTION_NAMES, FUNCTIONS, OPERATORS } from './functions.ts'
import { byteOf, parseCondition, SyntaxProblem, type Syntax } from './syntax-tree.ts'
import { asKind, commonKind, comparable, textLiteral, type Kind, type Term } from './terms.ts'

/** A condition that passed: `sql` over the catalog's table, equal for conditions that mean the same tree. */
export interface Condition {
  readonly text: string
  readonly sql: string
}

const MAX_CHARACTERS = 4_000
const MAX_NODES = 500
const MAX_DEPTH = 50

/** @throws {PlatformError} `INVALID_INPUT` saying what is wrong at which character, and what may be written. */
export async function readCondition(text: string): Promise<Condition> {
  try {
    if (text.length > MAX_CHARACTERS)
      throw new SyntaxProblem(`it has ${text.length} characters, ${MAX_CHARACTERS} are allowed`, null)
    const budget = { nodes: MAX_NODES }
    const term = await compile(await parseCondition(text), { condition: text, budget, depth: 0 })
    return { text, sql: asKind(term, 'boolean') }
  } catch (error) {
    if (error instanceof SyntaxProblem) throw conditionError(text, error)
    throw error
  }
}

/** @throws {PlatformError} `INVALID_INPUT`, as `readCondition`. */
export async function checkCondition(text: string): Promise<void> {
  await readCondition(text)
}

function conditionError(condition: string, { message, byte }: SyntaxProblem): PlatformError {
  const position = byte === null ? null : Buffer.from(condition).subarray(0, byte).toString().length + 1
  const where = position === null ? '' : ` at character ${position}`
  return new PlatformError('INVALID_INPUT', `the condition does not hold up${where}: ${message}`, {
    condition: condition.slice(0, MAX_CHARACTERS),
    position,
  })
}

interface Walk {
  readonly condition: string
  /** Shared by all nodes. */
  readonly budget: { nodes: number }
  readonly depth: number
}

type Compile = (node: Syntax, walk: Walk) => Promise<Term>

async function compile(node: Syntax, walk: Walk): Promise<Term> {
  if (walk.depth > MAX_DEPTH) throw new SyntaxProblem(`it is nested more than ${MAX_DEPTH} deep`, null)
  if ((walk.budget.nodes -= 1) < 0) throw new SyntaxProblem(`it has more than ${MAX_NODES} parts`, null)
  const compileClass = Object.hasOwn(CLASSES, node.class) ? CLASSES[node.class] : undefined
  if (!compileClass) throw notAllowed(node, walk)
  return compileClass(node, { ...walk, depth: walk.depth + 1 })
}

/** The classes of nodes that have a way through (C1). */
const CLASSES: Readonly<Record<string, Compile>> = {
  COLUMN_REF: column,
  CONSTANT: constant,
  CAST: truthValue,
  CONJUNCTION: conjunction,
  COMPARISON: comparison,
  BETWEEN: between,
  OPERATOR: operator,
  FUNCTION: call,
}

const NAMES: Readonly<Record<string, string>> = {
  SUBQUERY: 'a query inside a condition',
  STAR: '*',
  PARAMETER: 'a parameter',
  CASE: 'CASE',
  LAMBDA: 'a function of your own',
  WINDOW: 'a window function',
  COLLATE: 'COLLATE',
  CAST: 'a cast',
}

function notAllowed(node: Syntax, { condition }: Walk): SyntaxProblem {
  const name = NAMES[node.class] ?? node.type.toLowerCase().replaceAll('_', ' ')
  const allowed = 'comparisons, AND, OR, NOT, IN, BETWEEN, LIKE, IS NULL, arithmetic'
  return new SyntaxProblem(
    `${name} cannot be used; a condition has ${allowed}, and ${FUNCTION_NAMES}`,
    byteOf(node, condition),
  )
}

const boolean = (sql: string, node: Syntax, { condition }: Walk): Term => ({
  sql,
  kind: 'boolean',
  text: 'a condition',
  byte: byteOf(node, condition),
})

async function column(node: Syntax, { condition }: Walk): Promise<Term> {
  const names = node['column_names'] as readonly string[]
  const byte = byteOf(node, condition)
  const [first = '', second] = names
  if (names.length === 2 && first.toLowerCase() === 'attributes')
    return { sql: attributeSql(second!), kind: 'attribute', text: `attributes.${second}`, byte }
  const known = names.length === 1 ? columnNamed(first) : undefined
  if (known) return { ...known, text: known.name, byte }
  const name = names.join('.')
  throw new SyntaxProblem(
    `there is no column ${name}; write '${name}' if it is a text, or one of ${columnNames()}`,
    byte,
  )
}

/** By JSON pointer, in which every name can be written. */
function attributeSql(name: string): string {
  const pointer = `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`
  return `json_extract_string(attributes, ${textLiteral(pointer)})`
}

async function constant(node: Syntax, { condition }: Walk): Promise<Term> {
  const { type, is_null, value } = node['value'] as { type: ValueType; is_null: boolean; value: unknown }
  const byte = byteOf(node, condition)
  const term = (kind: Kind, held: string | number | null, sql: string): Term => ({
    sql,
    kind,
    constant: held,
    text: sql,
    byte,
  })
  if (is_null) return term('null', null, 'NULL')
  if (type.id === 'VARCHAR' && typeof value === 'string') return term('text', value, textLiteral(value))
  const number = numberOf(type, value)
  if (number === null) throw new SyntaxProblem('only texts, numbers, true and false can be written', byte)
  return term('number', number, `(${number})`)
}

interface ValueType {
  readonly id: string
  readonly type_info?: { readonly scale?: number }
}

const NUMBERS = /^(U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|DOUBLE|DECIMAL)$/

/** Beyond 2⁵³ to the nearest double, as the columns are; null for anything but a number. */
function numberOf({ id, type_info }: ValueType, value: unknown): number | null {
  if (!NUMBERS.test(id)) return null
  const scale = 10 ** (type_info?.scale ?? 0)
  if (typeof value === 'number') return value / scale
  const { upper, lower } = value as { upper?: number; lower?: number }
  return typeof upper === 'number' && typeof lower === 'number' ? (upper * 2 ** 64 + lower) / scale : null
}

/** `true` and `false`, which the parser writes as casts of 't' and 'f'. No other cast has a way through. */
async function truthValue(node: Syntax, walk: Walk): Promise<Term> {
  const {
    cast_type: target,
    child,
    try_cast: tries,
  } = node as unknown as {
    cast_type: ValueType
    child: Syntax
    try_cast: boolean
  }
  const value = child.class === 'CONSTANT' ? (await constant(child, walk)).constant : undefined
  if (target.id !== 'BOOLEAN' || tries || (value !== 't' && value !== 'f')) throw notAllowed(node, walk)
  return {
    ...boolean(value === 't' ? 'TRUE' : 'FALSE', node, walk),
    constant: value === 't',
    text: String(value === 't'),
  }
}

async function conjunction(node: Syntax, walk: Walk): Promise<Term> {
  const parts = (await compileAll(node['children'], walk)).map((term) => asKind(term, 'boolean'))
  return boolean(`(${parts.join(node.type === 'CONJUNCTION_AND' ? ' AND ' : ' OR ')})`, node, walk)
}

const COMPARISONS: Readonly<Record<string, string>> = {
  COMPARE_EQUAL: '=',
  COMPARE_NOTEQUAL: '<>',
  COMPARE_LESSTHAN: '<',
  COMPARE_GREATERTHAN: '>',
  COMPARE_LESSTHANOREQUALTO: '<=',
  COMPARE_GREATERTHANOREQUALTO: '>=',
  COMPARE_DISTINCT_FROM: 'IS DISTINCT FROM',
  COMPARE_NOT_DISTINCT_FROM: 'IS NOT DISTINCT FROM',
}

async function comparison(node: Syntax, walk: Walk): Promise<Term> {
  const sign = Object.hasOwn(COMPARISONS, node.type) ? COMPARISONS[node.type] : undefined
  if (!sign) throw notAllowed(node, walk)
  const [left, right] = comparable(await compileAll([node['left'], node['right']], walk))
  return boolean(`(${left} ${sign} ${right})`, node, walk)
}

async function between(node: Syntax, walk: Walk): Promise<Term> {
  const terms = await compileAll([node['input'], node['lower'], node['upper']], walk)
  const [input, lower, upper] = comparable(terms)
  return boolean(`(${input} BETWEEN ${lower} AND ${upper})`, node, walk)
}

const IN: Readonly<Record<string, string>> = { COMPARE_IN: 'IN', COMPARE_NOT_IN: 'NOT IN' }

async function operator(node: Syntax, walk: Walk): Promise<Term> {
  const terms = await compileAll(node['children'], walk)
  const [first, ...others] = terms
  if (!first) throw notAllowed(node, walk)
  switch (node.type) {
    case 'OPERATOR_NOT':
      return boolean(`(NOT ${asKind(first, 'boolean')})`, node, walk)
    case 'OPERATOR_IS_NULL':
      return boolean(`(${first.sql} IS NULL)`, node, walk)
    case 'OPERATOR_IS_NOT_NULL':
      return boolean(`(${first.sql} IS NOT NULL)`, node, walk)
    case 'OPERATOR_COALESCE': {
      const kind = commonKind(terms)
      const sql = `coalesce(${comparable(terms).join(', ')})`
      return { sql, kind, text: 'coalesce(…)', byte: byteOf(node, walk.condition) }
    }
    case 'COMPARE_IN':
    case 'COMPARE_NOT_IN': {
      if (others.length === 0) throw notAllowed(node, walk)
      const [value, ...choices] = comparable(terms)
      return boolean(`(${value} ${IN[node.type]} (${choices.join(', ')}))`, node, walk)
    }
    default:
      throw notAllowed(node, walk)
  }
}

async function call(node: Syntax, walk: Walk): Promise<Term> {
  const name = String(node['function_name'])
  const byte = byteOf(node, walk.condition)
  const list = node['is_operator'] === true ? OPERATORS : FUNCTIONS
  const allowed = Object.hasOwn(list, name) ? list[name] : undefined
  if (!allowed) throw new SyntaxProblem(`there is no function ${name}; there are ${FUNCTION_NAMES}`, byte)
  if (Object.keys(node).some((field) => !CALL_FIELDS.has(field)) || node['distinct'] === true)
    throw notAllowed(node, walk)
  const args = await compileAll(node['children'] ?? [], walk)
  const [least, most] = allowed.arity
  if (args.length < least || args.length > most)
    throw new SyntaxProblem(`${name} takes ${least === most ? least : `${least} to ${most}`} values`, byte)
  return { ...(await allowed.build(args, name)), text: `${name}(…)`, byte }
}

/** What a plain call leaves in its node; a filter, a schema or a catalog would be more. */
const CALL_FIELDS = new Set([
  'class',
  'type',
  'query_location',
  'function_name',
  'children',
  'order_bys',
  'distinct',
  'is_operator',
  'export_state',
])

async function compileAll(nodes: unknown, walk: Walk): Promise<Term[]> {
  const terms: Term[] = []
  for (const node of nodes as readonly Syntax[]) terms.push(await compile(node, walk))
  return terms
}
