import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { withErrorTable } from '../../infra/error-table.ts'

const root = path.resolve(import.meta.dirname, '../..')
const readme = readFileSync(path.join(root, 'README.md'), 'utf8')

describe('the README', () => {
  it('lists every error code as the catalogue has it (node --import tsx infra/error-table.ts brings it up to date)', () => {
    expect(readme).toBe(withErrorTable(readme))
  })

  it('links only to files that exist', () => {
    const prose = readme.replaceAll(/`[^`\n]*`/g, '')
    const links = [...prose.matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(([, file]) => file!)
    expect(links.length).toBeGreaterThan(0)
    expect(links.filter((file) => !existsSync(path.join(root, file)))).toEqual([])
  })
})
