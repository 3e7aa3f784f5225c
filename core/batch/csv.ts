/** Results as a table for spreadsheets: RFC 4180, UTF-8, safe to open. */

import type { BatchRow, BatchTask } from './records.ts'

export interface CsvTable {
  readonly header: string
  /** One line. Scores of a model have six decimals; what an algorithm says is as it says it, lists and objects as JSON. */
  line(row: BatchRow): string
}

const OURS = ['path', 'image', 'reason']

/** Columns are the fields of an algorithm's output; without an algorithm, a model's class and score. */
export function csvTable(algorithm: BatchTask['algorithm']): CsvTable {
  const { names, values } = algorithm ? columnsOf(algorithm.fields) : CLASS_AND_SCORE
  return {
    header: joined(['path', 'image', ...names, 'reason']),
    line: (row) => joined([row.path, row.image, ...values(row), row.reason]),
  }
}

interface Columns {
  readonly names: readonly string[]
  values(row: BatchRow): readonly Cell[]
}

const CLASS_AND_SCORE: Columns = {
  names: ['class', 'score'],
  values: (row) => [row.class, row.score?.toFixed(6) ?? null],
}

function columnsOf(fields: readonly string[] | null): Columns {
  if (!fields) return { names: ['output'], values: (row) => [cellOf(row.output)] }
  return {
    names: fields.map((field) => (OURS.includes(field) ? `output.${field}` : field)),
    values: ({ output }) => fields.map((field) => cellOf((output as Record<string, unknown> | undefined)?.[field])),
  }
}

type Cell = string | number | null

function joined(values: readonly Cell[]): string {
  return `${values.map(cell).join(',')}\r\n`
}

function cellOf(value: unknown): Cell {
  if (value === undefined || value === null) return null
  return typeof value === 'string' || typeof value === 'number' ? value : JSON.stringify(value)
}

/**
 * A spreadsheet takes a cell that begins with one of these characters for a formula, and a file may have any name; an
 * apostrophe before it makes it text (OWASP, "CSV Injection").
 */
const FORMULA = /^[=+\-@\t\r\n]/

function cell(value: Cell): string {
  if (value === null) return ''
  if (typeof value === 'number') return String(value)
  const text = FORMULA.test(value) ? `'${value}` : value
  return /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
