import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { withRightsTable } from '../../infra/rights-table.ts'
import { systemdUnit } from '../../infra/server/systemd-unit.ts'

const page = readFileSync(path.resolve(import.meta.dirname, '../../docs/server.md'), 'utf8')

describe('docs/server.md', () => {
  it('shows who may do what as the code has it (node --import tsx infra/rights-table.ts brings it up to date)', () => {
    const words = (text: string) => text.replaceAll(/[\s-]+/g, ' ')
    expect(words(page)).toBe(words(withRightsTable(page)))
  })
})

const options = {
  command: ['/usr/bin/node', '/opt/gyre/dist/cli.js', 'serve', '--listen', '0.0.0.0:443', '--host', '100% "sure" $1'],
  installation: '/opt/gyre',
  state: '/var/lib/gyre',
  files: ['/etc/gyre/gyre.crt'],
  port: 443,
}

function hasSystemd(): boolean {
  try {
    return execFileSync('systemd-analyze', ['--version'], { stdio: 'pipe' }).length > 0
  } catch {
    return false
  }
}

describe('the systemd unit', () => {
  it('may write its state alone, and open a low port only where it needs to', () => {
    const unit = systemdUnit(options)
    expect(unit).toContain('StateDirectory=gyre\n')
    expect(unit).toContain('ProtectSystem=strict\n')
    expect(unit).toContain('ProtectHome=yes\n')
    expect(unit).toContain('AmbientCapabilities=CAP_NET_BIND_SERVICE\n')
    const other = systemdUnit({ ...options, port: 8443, state: '/srv/gyre', files: ['/home/ada/gyre.crt'] })
    expect(other).toContain('ReadWritePaths=/srv/gyre\n')
    expect(other).toContain('ProtectHome=read-only\n')
    expect(other).toContain('AmbientCapabilities=\n')
  })

  it('hands words on as they are', () => {
    expect(systemdUnit(options)).toContain('--host "100%% \\"sure\\" $$1"\n')
  })

  it.skipIf(!hasSystemd())('is one that systemd takes', () => {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'gyre-unit-'))
    try {
      const file = path.join(folder, 'gyre.service')
      writeFileSync(file, systemdUnit({ ...options, command: [process.execPath, 'x.js'] }))
      execFileSync('systemd-analyze', ['verify', file], { stdio: 'pipe' })
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
