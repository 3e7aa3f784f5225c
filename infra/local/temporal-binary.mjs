/**
 * Finds the Temporal development server, or brings it: PATH, our cache, the official download, `go install`.
 *
 * Plain JavaScript without dependencies, because `./gyre` runs it while npm is still installing ours.
 *
 *   node infra/local/temporal-binary.mjs prepare    prints the path of a usable server; progress on stderr
 */
import { execFile, spawn } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { access, constants, mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** The last release that `go install` accepts; it carries server 1.29.1 and the web UI. */
export const TEMPORAL_CLI_VERSION = '1.5.1'
/** The oldest server whose behaviour we rely on. */
const OLDEST_SERVER = [1, 29]
const GO_PACKAGE = `github.com/temporalio/cli/cmd/temporal@v${TEMPORAL_CLI_VERSION}`
/** What `go install` compiles from nothing, for the progress line. */
const GO_PACKAGES_ABOUT = 1_300

export function cacheFolder(env = process.env) {
  return path.join(env.XDG_CACHE_HOME || path.join(os.homedir(), '.cache'), 'gyre', 'bin')
}

async function onPath(name, env) {
  for (const folder of (env.PATH ?? '').split(path.delimiter).filter(Boolean)) {
    const file = path.join(folder, name)
    if (await isExecutable(file)) return file
  }
  return null
}

async function isExecutable(file) {
  return access(file, constants.X_OK).then(
    () => true,
    () => false,
  )
}

/** "Server 1.29.1" of `temporal --version`; a `go install` binary calls itself 0.0.0-DEV, so its own number says nothing. */
async function serverVersion(file) {
  const text = await run(file, ['--version'], { timeout: 15_000 }).then(
    ({ stdout }) => stdout,
    () => '',
  )
  const found = /Server (\d+)\.(\d+)\.(\d+)/.exec(text)
  return found ? found.slice(1).map(Number) : null
}

async function isUsable(file, why) {
  if (!(await isExecutable(file))) return false
  const version = await serverVersion(file)
  if (version && (version[0] - OLDEST_SERVER[0] || version[1] - OLDEST_SERVER[1]) >= 0) return true
  why.push(
    version
      ? `${file} carries server ${version.join('.')}; Gyre needs ${OLDEST_SERVER.join('.')} or newer`
      : `${file} does not tell the version of a Temporal server`,
  )
  return false
}

/** Puts a finished binary into the cache in one step, so that nobody ever runs half a file. */
async function publish(file, cache) {
  const target = path.join(cache, 'temporal')
  await rename(file, target)
  return target
}

async function download(cache, say) {
  const platform = { linux: 'linux', darwin: 'darwin' }[process.platform]
  const arch = { x64: 'amd64', arm64: 'arm64' }[process.arch]
  if (!platform || !arch) throw new Error(`no official build for ${process.platform} ${process.arch}`)
  const name = `temporal_cli_${TEMPORAL_CLI_VERSION}_${platform}_${arch}.tar.gz`
  const connect = new AbortController()
  const timer = setTimeout(() => connect.abort(new Error('no answer within 4 s')), 4_000)
  const folder = await mkdtemp(path.join(cache, 'download-'))
  try {
    const url = `https://github.com/temporalio/cli/releases/download/v${TEMPORAL_CLI_VERSION}/${name}`
    const response = await fetch(url, { signal: connect.signal })
    clearTimeout(timer)
    if (!response.ok || !response.body) throw new Error(`HTTP ${response.status}`)
    say(`downloading the Temporal server ${TEMPORAL_CLI_VERSION} (once, about 45 MiB)`)
    const archive = path.join(folder, name)
    const signal = AbortSignal.timeout(300_000)
    await pipeline(Readable.fromWeb(response.body), createWriteStream(archive), { signal })
    await run('tar', ['-xzf', archive, '-C', folder, 'temporal'])
    return await publish(path.join(folder, 'temporal'), cache)
  } finally {
    clearTimeout(timer)
    await rm(folder, { recursive: true, force: true })
  }
}

async function goInstall(cache, say) {
  const version = await run('go', ['env', 'GOVERSION']).then(
    ({ stdout }) => stdout.trim(),
    () => null,
  )
  if (version === null) throw new Error('Go is not installed')
  const folder = await mkdtemp(path.join(cache, 'go-'))
  try {
    say(`building the Temporal server from source with ${version} (once, about 3 min on 2 cores)`)
    await goBuild(folder, say)
    return await publish(path.join(folder, 'temporal'), cache)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Runs `go install -v` and tells how far it is every ten seconds. */
async function goBuild(folder, say) {
  const started = Date.now()
  const child = spawn('go', ['install', '-v', GO_PACKAGE], {
    env: { ...process.env, GOBIN: folder },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const last = []
  let packages = 0
  createInterface({ input: child.stderr }).on('line', (line) => {
    if (/^[\w.-]+(\/[\w.~@-]+)*$/.test(line)) packages++
    else {
      last.push(line)
      if (last.length > 5) last.shift()
    }
  })
  const timer = setInterval(() => {
    const seconds = Math.round((Date.now() - started) / 1000)
    const compiled = packages > 0 ? `${packages} of about ${GO_PACKAGES_ABOUT} packages, ` : ''
    say(`building the Temporal server: ${compiled}${seconds} s`)
  }, 10_000)
  try {
    const code = await new Promise((resolve, reject) => child.once('error', reject).once('close', resolve))
    if (code !== 0) throw new Error(`go install ended with ${code}: ${last.join(' | ')}`)
  } finally {
    clearInterval(timer)
  }
}

/**
 * The first usable server, in the order PATH, $GOBIN or $GOPATH/bin, our cache, download, `go install`.
 *
 * @returns {Promise<{path: string | null, tried: string[]}>} `tried` says why each way before it did not do.
 */
export async function findTemporalBinary({ say, install = true, env = process.env }) {
  const tried = []
  const cache = cacheFolder(env)
  const goBin = env.GOBIN || path.join(env.GOPATH || path.join(os.homedir(), 'go'), 'bin')
  const candidates = [await onPath('temporal', env), path.join(goBin, 'temporal'), path.join(cache, 'temporal')]
  for (const file of candidates) if (file && (await isUsable(file, tried))) return { path: file, tried }
  if (!candidates[0]) tried.push('no temporal on PATH')
  if (!install) return { path: null, tried }

  await mkdir(cache, { recursive: true })
  for (const [name, bring] of [
    ['download', download],
    ['go install', goInstall],
  ]) {
    try {
      const file = await bring(cache, say)
      if (await isUsable(file, tried)) return { path: file, tried }
    } catch (error) {
      tried.push(`${name}: ${error.cause?.message ?? error.message}`)
    }
  }
  return { path: null, tried }
}

if (process.argv[1] && path.resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const found = await findTemporalBinary({ say: (line) => console.error(`gyre: ${line}`) })
  if (found.path) console.log(found.path)
  else for (const line of found.tried) console.error(`gyre: ${line}`)
  process.exitCode = found.path ? 0 : 1
}
