/** `gyre init`: a folder of one's own with a pipeline that works, a step, and a test that passes. */
import { existsSync } from 'node:fs'
import { lstat, mkdir, readdir, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { PlatformError } from '#core/errors'
import { installationRoot } from '#core/execution'
import { Invocation, type CommonOptions } from '../invocation.ts'
import { shortPath } from '../words.ts'
import { projectFiles } from './init-files.ts'

/** What an editor, the compiler and the tests of a project need; they come from the installation. */
const LINKED = ['gyre', 'zod', 'vitest', 'typescript', '@types/node', '.bin/vitest', '.bin/tsc']

/** What may lie in a folder that becomes a project. */
const HARMLESS = ['.git', '.gitignore', 'LICENSE', 'README.md']

export async function init(folder: string, options: CommonOptions): Promise<void> {
  const invocation = new Invocation(options)
  const project = path.resolve(folder)
  const isProject = existsSync(path.join(project, 'pipelines'))
  if (!isProject) await refuseOccupied(project)
  const written = isProject ? [] : await writeFiles(project)
  const linked = await link(project)
  const said = isProject ? `linked ${shortPath(project)} to this Gyre` : `made ${shortPath(project)}`
  invocation.answer({ project, written, linked }, () =>
    [said, ...written.map((file) => `  ${file}`), ...next(folder)].join('\n'),
  )
}

function next(folder: string): string[] {
  const gyre = shortPath(path.join(installationRoot(), 'gyre'))
  const enter = path.resolve(folder) === process.cwd() ? [] : [`  cd ${folder}`]
  return ['', 'Next:', ...enter, '  npm test', `  ${gyre} pipeline run hello --wait`]
}

async function refuseOccupied(project: string): Promise<void> {
  const names = await readdir(project).catch(() => [] as string[])
  const other = names.find((name) => !HARMLESS.includes(name))
  if (other)
    throw new PlatformError(
      'INVALID_INPUT',
      `${project} holds ${other} already, and no folder pipelines; name a new or an empty folder`,
      { project },
    )
}

/** Files that are there stay as they are. @returns those written, relative to the project. */
async function writeFiles(project: string): Promise<string[]> {
  const written: string[] = []
  for (const [file, text] of Object.entries(projectFiles(path.basename(project)))) {
    const target = path.join(project, file)
    if (existsSync(target)) continue
    await mkdir(path.dirname(target), { recursive: true })
    await writeFile(target, text, { flag: 'wx' })
    written.push(file)
  }
  return written
}

/** Packages that the project has installed itself are left alone. @returns those linked. */
async function link(project: string): Promise<string[]> {
  const linked: string[] = []
  for (const name of LINKED) {
    const target = path.join(project, 'node_modules', name)
    if (await lstat(target).catch(() => null)) continue
    await mkdir(path.dirname(target), { recursive: true })
    const source = name === 'gyre' ? installationRoot() : path.join(installationRoot(), 'node_modules', name)
    await symlink(source, target)
    linked.push(name)
  }
  return linked
}
