/** The Node that images carry: the one of `node.lock.json`, from npm, checked; where it cannot be had, the one that runs. */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, renameSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const lock = JSON.parse(readFileSync(new URL('node.lock.json', import.meta.url), 'utf8'))

/**
 * @param say - gets one line of progress, or of remark, at a time.
 * @returns the path and version of a Node binary for this machine's processor.
 */
export async function nodeRuntime({ say, env = process.env }) {
  const cache = path.join(env.XDG_CACHE_HOME || path.join(os.homedir(), '.cache'), 'gyre', 'node')
  const folder = path.join(cache, `${lock.version}-${process.arch}`)
  const file = path.join(folder, 'node')
  if (existsSync(file)) return { file, version: lock.version }
  try {
    mkdirSync(cache, { recursive: true })
    await fetchInto(folder, cache, say, env)
    return { file, version: lock.version }
  } catch (error) {
    const version = process.versions.node
    say(`Node ${lock.version} could not be fetched (${firstLine(error)}); the images carry this machine's ${version}`)
    return { file: realpathSync(process.execPath), version }
  }
}

async function fetchInto(folder, cache, say, env) {
  const locked = lock.packages[process.arch]
  if (!locked) throw new Error(`none is known for ${process.arch}`)
  const work = mkdtempSync(path.join(cache, 'fetch-'))
  try {
    say(`fetching Node ${lock.version} for the images (once, about 50 MB)`)
    const wanted = `${locked.name}@${lock.version}`
    await run('npm', ['pack', wanted, '--pack-destination', work, '--silent'], { cwd: work, env, timeout: 300_000 })
    const archive = path.join(work, `${locked.name}-${lock.version}.tgz`)
    const integrity = `sha512-${createHash('sha512').update(readFileSync(archive)).digest('base64')}`
    if (integrity !== locked.integrity) throw new Error(`${wanted} is not what node.lock.json says: ${integrity}`)
    await run('tar', ['-xzf', archive, '-C', work, '--strip-components=2', 'package/bin/node'])
    rmSync(archive)
    renameSync(work, folder)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

/** The certificate authorities that a Node binary trusts, as PEM: the same on every machine, unlike those of the machine. */
export async function authoritiesOf(file) {
  const script = 'process.stdout.write(require("node:tls").rootCertificates.join("\\n") + "\\n")'
  return (await run(file, ['-e', script], { maxBuffer: 16 << 20, env: {} })).stdout
}

function firstLine(error) {
  return (error.stderr || error.message).trim().split('\n')[0]
}
