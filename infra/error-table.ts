/** The README's error catalogue, made from the code's own: `node --import tsx infra/error-table.ts` rewrites it in place. */

import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { CATALOGUE, type ErrorFacts } from '#core/errors'

const README = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../README.md')
const MARKS = ['<!-- errors -->', '<!-- /errors -->'] as const

/** One row a code: when it happens, what to do, exit code, HTTP status, whether Gyre itself tries again. */
export function errorTable(): string {
  const rows = Object.entries<ErrorFacts>(CATALOGUE).map(
    ([code, { when, remedy, exitCode, httpStatus, retryable }]) =>
      `| \`${code}\` | ${when} | ${remedy} | ${exitCode} | ${httpStatus} | ${retryable ? 'yes' : 'no'} |`,
  )
  return ['| code | when | what to do | exit | HTTP | retried |', '|---|---|---|---|---|---|', ...rows].join('\n')
}

/** The README with its catalogue brought up to date. */
export function withErrorTable(readme: string): string {
  const [start, end] = MARKS.map((mark) => readme.indexOf(mark)) as [number, number]
  if (start === -1 || end === -1) throw new Error(`README.md lacks ${MARKS.join(' … ')}`)
  return `${readme.slice(0, start + MARKS[0].length)}\n\n${errorTable()}\n\n${readme.slice(end)}`
}

if (process.argv[1] && path.resolve(process.argv[1]) === fileURLToPath(import.meta.url))
  writeFileSync(README, withErrorTable(readFileSync(README, 'utf8')))
