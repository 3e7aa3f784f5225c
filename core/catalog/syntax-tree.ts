/** The tree that DuckDB's own parser makes of a condition: parsed, never run. */
import { openTableSession, type TableSession } from '#core/tables'

/** One node as `json_serialize_sql` writes it; nulls and empty lists are left out. */
export interface Syntax {
  readonly class: string
  readonly type: string
  /** Bytes before it in the text parsed; far too large where unknown. */
  readonly query_location?: number
  readonly [field: string]: unknown
}

/** What is wrong with a condition, and the byte of the condition where; null where unknown. */
export class SyntaxProblem extends Error {
  constructor(
    message: string,
    readonly byte: number | null,
  ) {
    super(message)
  }
}

/** The line end keeps a comment from swallowing the bracket. */
const BEFORE = 'SELECT (\n'
const AFTER = '\n)'

/** All that one expression without tables leaves in a statement. */
const STATEMENT_FIELDS = new Set(['type', 'select_list', 'from_table', 'aggregate_handling'])

interface Parsed {
  readonly error: boolean
  readonly error_message?: string
  readonly position?: string
  readonly statements?: readonly {
    readonly node: { readonly type: string; readonly select_list: Syntax[]; readonly from_table: { type: string } }
    readonly [field: string]: unknown
  }[]
}

let opening: Promise<TableSession> | undefined

/** A database without tables, one per process: for parsing, and for trying out regular expressions. */
export function emptyDatabase(): Promise<TableSession> {
  opening ??= openTableSession({ views: {}, threads: 1, memoryMiB: 128 })
  return opening
}

/**
 * @param condition - of bounded length.
 * @throws {SyntaxProblem} where it is anything but exactly one expression.
 */
export async function parseCondition(condition: string): Promise<Syntax> {
  const session = await emptyDatabase()
  const sql = 'SELECT json_serialize_sql($1::VARCHAR, skip_null := true, skip_empty := true) AS tree'
  const [row] = await session.query<{ tree: string }>(sql, [BEFORE + condition + AFTER])
  const parsed = parsedTree(row!.tree)
  if (parsed.error) {
    const at = parsed.position === undefined ? null : Number(parsed.position) - BEFORE.length
    if (at !== null && at >= Buffer.byteLength(condition)) throw new SyntaxProblem('it ends too early', null)
    throw new SyntaxProblem(parsed.error_message?.split('. Use')[0] ?? 'it cannot be read', inside(condition, at))
  }
  const [statement, ...others] = parsed.statements ?? []
  const node = statement?.node
  const isOneExpression =
    others.length === 0 &&
    node?.type === 'SELECT_NODE' &&
    node.from_table.type === 'EMPTY' &&
    node.select_list.length === 1 &&
    Object.keys(node).every((field) => STATEMENT_FIELDS.has(field))
  if (!isOneExpression) throw new SyntaxProblem('it is not one condition', null)
  return node.select_list[0]!
}

function parsedTree(tree: string): Parsed {
  try {
    return JSON.parse(tree) as Parsed
  } catch {
    throw new SyntaxProblem('a number is too large', null) // Written as Infinity, which JSON does not know.
  }
}

/** The byte of the condition at which a node stands; null where the parser does not say. */
export function byteOf(node: Syntax, condition: string): number | null {
  return inside(condition, (node.query_location ?? Infinity) - BEFORE.length)
}

function inside(condition: string, byte: number | null): number | null {
  if (byte === null || !(byte >= 0)) return null
  const length = Buffer.byteLength(condition)
  return byte <= length + AFTER.length ? Math.min(byte, length) : null
}
