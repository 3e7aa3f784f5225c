import { readFileSync } from 'node:fs'
import path from 'node:path'
import { installationRoot } from './entry-point.ts'

let versions: Readonly<Record<string, string>> | undefined

/** Digest of everything that a built-in step's body is made of, as the build wrote it. */
export function codeVersion(step: string): string {
  versions ??= JSON.parse(readFileSync(path.join(installationRoot(), 'dist/code-versions.json'), 'utf8')) as Record<
    string,
    string
  >
  return versions[step] ?? 'unversioned'
}
