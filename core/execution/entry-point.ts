import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

/** The compiled processes and threads, by their names in `infra/build.mjs`. */
export type EntryPoint =
  | 'cli'
  | 'api'
  | 'front'
  | 'gateway'
  | 'inference'
  | 'job'
  | 'worker'
  | 'failure-converter'
  | 'job-guard'
  | 'compute-thread'
  | 'session-thread'
  | 'probe-thread'
  | 'model-thread'
  | 'pipeline'
  | 'steps'
  | 'algorithm'

let root: string | undefined

/** The folder of the installation: the nearest one above this file whose package.json is ours. */
export function installationRoot(): string {
  if (root) return root
  let folder = path.dirname(fileURLToPath(import.meta.url))
  for (;;) {
    const manifest = path.join(folder, 'package.json')
    if (existsSync(manifest) && (JSON.parse(readFileSync(manifest, 'utf8')) as { name?: string }).name === 'gyre')
      return (root = folder)
    const parent = path.dirname(folder)
    if (parent === folder) throw new Error('no package.json of gyre above this file')
    folder = parent
  }
}

/** The compiled file of a process or thread. Tests need a build too: `./gyre test` makes one first. */
export function entryPoint(name: EntryPoint): string {
  return path.join(installationRoot(), 'dist', `${name}.js`)
}
