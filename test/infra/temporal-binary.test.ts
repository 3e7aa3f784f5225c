import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { cacheFolder, findTemporalBinary } from '../../infra/local/index.ts'

let folder: string
let env: NodeJS.ProcessEnv

beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'gyre-temporal-'))
  env = {
    PATH: path.join(folder, 'bin'),
    GOBIN: path.join(folder, 'gobin'),
    XDG_CACHE_HOME: path.join(folder, 'cache'),
  }
})

afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** A program named `temporal` that tells this version. */
function install(where: string, version: string): string {
  mkdirSync(where, { recursive: true })
  const file = path.join(where, 'temporal')
  writeFileSync(file, `#!/bin/sh\necho '${version}'\n`)
  chmodSync(file, 0o755)
  return file
}

const find = () => findTemporalBinary({ say: () => undefined, install: false, env })

describe('the Temporal server', () => {
  it('is taken from PATH before Go and the cache', async () => {
    const usual = install(path.join(folder, 'bin'), 'temporal version 1.5.1 (Server 1.29.1, UI 2.42.1)')
    install(path.join(folder, 'gobin'), 'temporal version 0.0.0-DEV (Server 1.29.1, UI 2.42.1)')
    expect(await find()).toEqual({ path: usual, tried: [] })
  })

  it('built by `go install` is known by its server version, for it calls itself 0.0.0-DEV', async () => {
    const built = install(cacheFolder(env), 'temporal version 0.0.0-DEV (Server 1.29.1, UI 2.42.1)')
    expect((await find()).path).toBe(built)
  })

  it('that is too old is passed over with a reason', async () => {
    const old = install(path.join(folder, 'bin'), 'temporal version 1.0.0 (Server 1.24.2, UI 2.27.1)')
    const cached = install(cacheFolder(env), 'temporal version 0.0.0-DEV (Server 2.0.0, UI 3.0.0)')
    expect(await find()).toEqual({
      path: cached,
      tried: [`${old} carries server 1.24.2; Gyre needs 1.29 or newer`],
    })
  })

  it('is missing where there is none, and nothing is brought unless wanted', async () => {
    expect(await find()).toEqual({ path: null, tried: ['no temporal on PATH'] })
  })
})
