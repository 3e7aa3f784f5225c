/**
 * Finds the programs of our own node, or builds them: all of Kubernetes, etcd, kubectl and CoreDNS are one Go program
 * (`kube/`), built once for a machine.
 */
import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { PlatformError } from '#core/errors'
import { installationRoot } from '#core/execution'
import { cacheFolder } from '../temporal-binary.mjs'
import { findProgram, run } from './commands.ts'

/** What `go build` compiles from nothing, for the progress line. */
const PACKAGES_ABOUT = 2_800
const TELL_EVERY_MS = 15_000

/** Where the scripts and sources of the cluster lie. */
export function clusterSources(...names: string[]): string {
  return path.join(installationRoot(), 'infra/local/cluster', ...names)
}

/** Kubernetes of the sources, as `v1.34.4`. */
export function kubeVersion(): string {
  const version = /^\tk8s\.io\/kubernetes (v\S+)$/m.exec(readFileSync(clusterSources('kube/go.mod'), 'utf8'))?.[1]
  if (!version) throw new Error('kube/go.mod names no version of k8s.io/kubernetes')
  return version
}

/** GYRE_KUBE_BIN, else `$XDG_CACHE_HOME/gyre/kube/bin`. */
export function kubeFolder(env: NodeJS.ProcessEnv): string {
  return path.resolve(env['GYRE_KUBE_BIN'] || path.join(cacheFolder(env), '../kube/bin'))
}

/** @returns why the programs there cannot be used, in a few words; null when they can. */
export async function whyKubeUnusable(env: NodeJS.ProcessEnv): Promise<string | null> {
  const folder = kubeFolder(env)
  if (!existsSync(path.join(folder, 'kube')) || !existsSync(path.join(folder, 'pause')))
    return `there is no Kubernetes in ${folder}`
  const { stdout, why } = await run(path.join(folder, 'kubectl'), ['version', '--client', '-o', 'json'], { env })
  const found = /"gitVersion": "(.*?)"/.exec(stdout)?.[1]
  return found === kubeVersion() ? null : `${folder} holds Kubernetes ${found ?? `of no known version (${why})`}`
}

/**
 * Builds what is not there, in about 6 minutes on 2 cores.
 *
 * @param say - gets one line of progress at a time.
 * @returns the folder of the programs.
 * @throws {PlatformError} `CLUSTER_TOOL_MISSING` without Go, or where GYRE_KUBE_BIN names another version;
 *   `CLUSTER_START_FAILED` when the build fails.
 */
export async function requireKube(say: (line: string) => void, env: NodeJS.ProcessEnv): Promise<string> {
  const folder = kubeFolder(env)
  const why = await whyKubeUnusable(env)
  if (why === null) return folder
  const refusal = await whyNotBuilt(why, env)
  if (refusal) throw refusal
  say(`building Kubernetes ${kubeVersion()} from source (once, about 6 min on 2 cores)`)
  await build(folder, say, env)
  return folder
}

/** What keeps this machine from building; null when nothing does. */
export async function whyNotBuilt(why: string, env: NodeJS.ProcessEnv): Promise<PlatformError | null> {
  if (env['GYRE_KUBE_BIN']) {
    const message = `${why}, where GYRE_KUBE_BIN points; leave the variable out, or name a folder with ${kubeVersion()}`
    return new PlatformError('CLUSTER_TOOL_MISSING', message, { folder: kubeFolder(env) })
  }
  if (await findProgram('go', env)) return null
  const message = `${why}, and no Go to build it; install Go from https://go.dev/dl`
  return new PlatformError('CLUSTER_TOOL_MISSING', message, { folder: kubeFolder(env) })
}

async function build(folder: string, say: (line: string) => void, env: NodeJS.ProcessEnv): Promise<void> {
  const started = Date.now()
  const child = spawn('bash', [clusterSources('kube/build.sh'), folder], {
    env: { ...env, GOFLAGS: `${env['GOFLAGS'] ?? ''} -v` },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let packages = 0
  let last = ''
  createInterface({ input: child.stderr }).on('line', (line) => {
    if (/^[\w.-]+(\/[\w.~@-]+)*$/.test(line)) packages++
    else if (!line.startsWith('go: downloading')) last = line
  })
  const timer = setInterval(() => {
    const seconds = Math.round((Date.now() - started) / 1000)
    const compiled =
      packages > 0
        ? `${packages.toLocaleString('en-US')} of about ${PACKAGES_ABOUT.toLocaleString('en-US')} packages, `
        : ''
    say(`building Kubernetes: ${compiled}${seconds} s`)
  }, TELL_EVERY_MS)
  try {
    const code = await new Promise<number | null>((resolve, reject) =>
      child.once('error', reject).once('close', resolve),
    )
    if (code === 0) return
    throw new PlatformError('CLUSTER_START_FAILED', `Kubernetes could not be built: ${last}; mend that, then try again`)
  } finally {
    clearInterval(timer)
  }
}
