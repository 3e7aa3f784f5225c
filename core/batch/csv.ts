/** Results as a table for spreadsheets: RFC 4180, UTF-8, safe to open. */

import type { BatchRow } from './records.ts'

export const CSV_HEADER = 'path,image,class,score,reason\r\n'

/** One line. Scores have six decimals. */
export function csvLine({ path, image, class: name, score, reason }: BatchRow): string {
  return `${[path, image, name, score === null ? null : score.toFixed(6), reason].map(cell).join(',')}\r\n`
}

/**
 * A spreadsheet takes a cell that begins with one of these characters for a formula, and a file may have any name; an
 * apostrophe before it makes it text (OWASP, "CSV Injection").
 */
const FORMULA = /^[=+\-@\t\r\n]/

function cell(value: string | null): string {
  if (value === null) return ''
  const text = FORMULA.test(value) ? `'${value}` : value
  return /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
