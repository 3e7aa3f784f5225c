/** A project as it was at a revision, for as long as somebody looks at it. */

import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, symlink } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { PlatformError } from '#core/errors'

const run = promisify(execFile)

/**
 * @param look - gets a folder with the project's files of that revision, which is removed afterwards.
 * @throws {PlatformError} `INVALID_INPUT` where the name is no revision, or the project is in no git repository.
 */
export async function atRevision<T>(
  projectDir: string,
  revision: string,
  look: (projectDir: string) => Promise<T>,
): Promise<T> {
  const commit = await commitOf(projectDir, revision)
  const folder = await mkdtemp(path.join(os.tmpdir(), 'gyre-revision-'))
  try {
    const archive = path.join(folder, 'archive.tar')
    await git(projectDir, 'archive', '--format=tar', '--output', archive, commit, '.')
    const project = await mkdtemp(path.join(folder, 'project-'))
    await run('tar', ['-xf', archive, '-C', project])
    const packages = path.join(projectDir, 'node_modules')
    if (existsSync(packages)) await symlink(packages, path.join(project, 'node_modules'))
    return await look(project)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function commitOf(projectDir: string, revision: string): Promise<string> {
  const name = JSON.stringify(revision)
  if (revision.startsWith('-'))
    throw new PlatformError('INVALID_INPUT', `against: ${name} is neither a run nor a git revision`)
  await git(projectDir, 'rev-parse', '--git-dir').catch((cause: unknown) => {
    const why = `against: there is no run ${name}, and ${projectDir} is in no git repository that could have such a revision`
    throw new PlatformError('INVALID_INPUT', why, { revision }, { cause })
  })
  return git(projectDir, 'rev-parse', '--verify', `${revision}^{commit}`).catch((cause: unknown) => {
    const why = `against: ${name} is neither a run nor a git revision of ${projectDir}`
    throw new PlatformError('INVALID_INPUT', why, { revision }, { cause })
  })
}

async function git(cwd: string, ...args: readonly string[]): Promise<string> {
  return (await run('git', [...args], { cwd })).stdout.trim()
}
