/** Who may do what, made from the code's own table: `node --import tsx infra/rights-table.ts` rewrites docs/server.md in place. */

import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { RIGHTS, ROLES, type Role } from '#core/identity'

const PAGE = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../docs/server.md')
const MARKS = ['<!-- rights -->', '<!-- /rights -->'] as const

/** One row a right, one column a role. */
export function rightsTable(): string {
  const rows = Object.entries(RIGHTS).map(([right, { allows, roles }]) => {
    const marks = ROLES.map((role) => ((roles as readonly Role[]).includes(role) ? '✓' : ' '))
    return `| \`${right}\` | ${allows} | ${marks.join(' | ')} |`
  })
  return [`| right | allows | ${ROLES.join(' | ')} |`, `|---|---|${ROLES.map(() => '---|').join('')}`, ...rows].join(
    '\n',
  )
}

/** The page with its table brought up to date. */
export function withRightsTable(page: string): string {
  const [start, end] = MARKS.map((mark) => page.indexOf(mark)) as [number, number]
  if (start === -1 || end === -1) throw new Error(`docs/server.md lacks ${MARKS.join(' … ')}`)
  return `${page.slice(0, start + MARKS[0].length)}\n\n${rightsTable()}\n\n${page.slice(end)}`
}

if (process.argv[1] && path.resolve(process.argv[1]) === fileURLToPath(import.meta.url))
  writeFileSync(PAGE, withRightsTable(readFileSync(PAGE, 'utf8')))
