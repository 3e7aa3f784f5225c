/** Finds servers that tests use when the machine has them, and says what to do when it has not. */

import { execFileSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import path from 'node:path'
import { cacheFolder } from '../../infra/local/temporal-binary.mjs'

export interface TestBinary {
  readonly name: string
  /** Its path, or null where it is not installed. */
  readonly path: string | null
  /** Why tests that need it are left out; '' where it is there. */
  readonly missing: string
}

/**
 * Looks at the variable `override`, then PATH, then `$(go env GOPATH)/bin`, then the folder where Gyre keeps binaries.
 *
 * @param install - the package that `go install` builds it from.
 */
export function findTestBinary(name: string, { override, install }: { override: string; install: string }): TestBinary {
  const candidates = [
    process.env[override],
    ...(process.env.PATH ?? '').split(path.delimiter).map((folder) => path.join(folder, name)),
    ...[...goBinFolders(), cacheFolder()].map((folder) => path.join(folder, name)),
  ]
  const found = candidates.find((file): file is string => file !== undefined && isExecutable(file))
  if (found) return { name, path: found, missing: '' }
  return {
    name,
    path: null,
    missing: `left out: no ${name} on this machine; go install ${install}, or set ${override}`,
  }
}

/** In CI a missing server is a failure; elsewhere its tests are left out with a reason. */
export const s3ServersRequired = process.env.GYRE_TEST_REQUIRE_S3 === '1'

function goBinFolders(): readonly string[] {
  try {
    const [bin, root] = execFileSync('go', ['env', 'GOBIN', 'GOPATH'], { encoding: 'utf8' }).split('\n')
    return [bin, root && path.join(root, 'bin')].filter((folder): folder is string => Boolean(folder))
  } catch {
    return []
  }
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}
