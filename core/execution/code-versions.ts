/** What the built-in steps are made of, as the build wrote it. */

import { readFileSync } from 'node:fs'
import path from 'node:path'
import { installationRoot } from './entry-point.ts'

type Files = Readonly<Record<string, string>>

let versions: Readonly<Record<string, string>> | undefined
let files: Readonly<Record<string, Files>> | undefined

/** Digest of everything that a built-in step's body is made of. */
export function codeVersion(step: string): string {
  versions ??= readBuilt<Readonly<Record<string, string>>>('code-versions.json')
  return versions[step] ?? 'unversioned'
}

/** The files behind a code version, by path, with the digest of each; null for one that this build does not have. */
export function codeFiles(version: string): Files | null {
  files ??= readBuilt<Readonly<Record<string, Files>>>('code-files.json')
  return files[version] ?? null
}

function readBuilt<T>(name: string): T {
  return JSON.parse(readFileSync(path.join(installationRoot(), 'dist', name), 'utf8')) as T
}
