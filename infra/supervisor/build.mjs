/**
 * Builds the supervisor, a static Linux program, into the cache folder, unless it is there already.
 *
 *   node infra/supervisor/build.mjs [--arch amd64|arm64]     prints the path of the binary
 */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { access, mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)
const source = path.dirname(fileURLToPath(import.meta.url))

/**
 * @param arch - Go's name of the processor.
 * @returns the path of the binary, whose folder is named by a digest of the source and of the compiler's version.
 * @throws {Error} when Go is missing, or the source does not compile.
 */
export async function buildSupervisor({ arch = 'amd64', env = process.env } = {}) {
  const { stdout: compiler } = await run('go', ['env', 'GOVERSION'], { env }).catch(() => {
    throw new Error('Go is not installed; the supervisor needs 1.24 or newer (https://go.dev/dl)')
  })
  const digest = createHash('sha256').update(`${compiler.trim()} ${arch}`)
  const files = (await readdir(source)).filter((f) => (f.endsWith('.go') && !f.endsWith('_test.go')) || f === 'go.mod')
  for (const file of files.sort()) digest.update(`\0${file}\0`).update(await readFile(path.join(source, file)))
  const cache = path.join(env.XDG_CACHE_HOME || path.join(os.homedir(), '.cache'), 'gyre', 'supervisor')
  const folder = path.join(cache, digest.digest('hex').slice(0, 16))
  const binary = path.join(folder, 'supervisor')
  if (await exists(binary)) return binary

  await mkdir(cache, { recursive: true })
  const work = await mkdtemp(path.join(cache, 'build-'))
  try {
    const flags = ['build', '-trimpath', '-buildvcs=false', '-ldflags', '-s -w -buildid=']
    await run('go', [...flags, '-o', path.join(work, 'supervisor'), '.'], {
      cwd: source,
      env: { ...env, CGO_ENABLED: '0', GOOS: 'linux', GOARCH: arch },
    })
    await rename(work, folder).catch(async (error) => {
      if (!(await exists(binary))) throw error // else somebody built the same at the same time
    })
    return binary
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

async function exists(file) {
  return access(file).then(
    () => true,
    () => false,
  )
}

if (process.argv[1] && path.resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const at = process.argv.indexOf('--arch')
  try {
    console.log(await buildSupervisor(at === -1 ? {} : { arch: process.argv[at + 1] }))
  } catch (error) {
    console.error(error.stderr || error.message)
    process.exitCode = 1
  }
}
