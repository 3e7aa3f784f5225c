/** What a machine needs for a node of our own, looked at before anything is started: each lack is one sentence. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync } from 'node:fs'
import path from 'node:path'
import { PlatformError } from '#core/errors'
import { findProgram, run } from './commands.ts'
import { whyKubeUnusable, whyNotBuilt } from './kube-binary.ts'

/** Program → Debian package. */
const PROGRAMS: Readonly<Record<string, string>> = {
  ...{ containerd: 'containerd', ctr: 'containerd', runc: 'runc', iptables: 'iptables', conntrack: 'conntrack' },
  ...{ ip: 'iproute2', openssl: 'openssl', unshare: 'util-linux', nsenter: 'util-linux' },
}
const CNI_PACKAGE = 'containernetworking-plugins'
const CNI_FOLDERS = ['/usr/lib/cni', '/opt/cni/bin']
const CGROUPS = '/sys/fs/cgroup'
const CONTROLLERS = ['cpu', 'cpuset', 'memory', 'pids']
const OTHER_WAYS = 'or install kind with a container engine, or use a cluster you have with --use-current-context'

/** The folder of the container network plugins; null where none are installed. */
export function cniFolder(): string | null {
  return CNI_FOLDERS.find((folder) => existsSync(path.join(folder, 'bridge'))) ?? null
}

/**
 * @param mayBuild - whether a machine that could build the programs will do; else they must be there.
 * @returns the first lack, or null when a node can run here.
 */
export async function findLack(
  env: NodeJS.ProcessEnv,
  { mayBuild }: { mayBuild: boolean },
): Promise<PlatformError | null> {
  return (
    wrongSystem() ??
    (await missingPrograms(env)) ??
    cgroupsLack() ??
    (await namespacesLack(env)) ??
    kubeLack(env, mayBuild)
  )
}

function wrongSystem(): PlatformError | null {
  if (process.platform !== 'linux')
    return unsupported(
      `a cluster of our own needs Linux, this is ${process.platform}; take a Linux machine, ${OTHER_WAYS}`,
    )
  const user = process.getuid?.()
  return user === 0
    ? null
    : unsupported(`a cluster of our own needs root, this is user ${user}; run it as root, ${OTHER_WAYS}`)
}

async function missingPrograms(env: NodeJS.ProcessEnv): Promise<PlatformError | null> {
  const packages = new Set<string>()
  for (const [program, debian] of Object.entries(PROGRAMS)) if (!(await findProgram(program, env))) packages.add(debian)
  if (cniFolder() === null) packages.add(CNI_PACKAGE)
  if (packages.size === 0) return null
  const names = [...packages]
  return new PlatformError(
    'CLUSTER_TOOL_MISSING',
    `a cluster of our own needs ${names.join(', ')}, not installed here; install what is missing`,
    { packages: names, command: `apt-get install -y --no-install-recommends ${names.join(' ')}` },
  )
}

function cgroupsLack(): PlatformError | null {
  const controllers = cgroupControllers()
  const missing = CONTROLLERS.filter((name) => !controllers.includes(name))
  if (missing.length > 0) return unsupported(`this machine gives no cgroups for ${missing.join(', ')}; turn them on`)
  const trial = path.join(CGROUPS, isUnified() ? '' : 'memory', `gyre-probe-${process.pid}`)
  try {
    mkdirSync(trial)
    rmdirSync(trial)
    return null
  } catch (error) {
    return unsupported(`no cgroup can be made here (${(error as Error).message}); run it outside of a container`)
  }
}

/** Version 2 of cgroups is one tree, version 1 one per controller. */
function isUnified(): boolean {
  return existsSync(path.join(CGROUPS, 'cgroup.controllers'))
}

function cgroupControllers(): string[] {
  if (!isUnified()) return existsSync(CGROUPS) ? readdirSync(CGROUPS) : []
  // The root of the machine can pass every controller on; any other tree only what it passes on already.
  const isRoot = !existsSync(path.join(CGROUPS, 'cgroup.type'))
  const file = isRoot ? 'cgroup.controllers' : 'cgroup.subtree_control'
  return readFileSync(path.join(CGROUPS, file), 'utf8').trim().split(' ')
}

/** Makes for a moment what the node is made of. */
async function namespacesLack(env: NodeJS.ProcessEnv): Promise<PlatformError | null> {
  const flags = '--mount --propagation slave --pid --fork --mount-proc --net --ipc --uts'.split(' ')
  const trial =
    'ip link add probe0 type bridge && ip link add probe1 type veth peer name probe2 && mount -t sysfs none /sys'
  const { ok, why } = await run('unshare', [...flags, 'sh', '-c', trial], { env, timeoutMs: 10_000 })
  if (ok) return null
  return unsupported(
    `no namespaces, links or mounts can be made here (${why}); run it outside of a container, ${OTHER_WAYS}`,
  )
}

async function kubeLack(env: NodeJS.ProcessEnv, mayBuild: boolean): Promise<PlatformError | null> {
  const why = await whyKubeUnusable(env)
  if (why === null) return null
  if (mayBuild) return whyNotBuilt(why, env)
  return new PlatformError('CLUSTER_TOOL_MISSING', `${why}; \`gyre cluster up\` builds it once, in about 6 min`)
}

function unsupported(message: string): PlatformError {
  return new PlatformError('CLUSTER_UNSUPPORTED', message)
}
