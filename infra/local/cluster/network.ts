/** Chooses addresses for a node of our own: a free port, and a /16 that this machine does not reach by another way. */
import { readFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { PlatformError } from '#core/errors'
import { HolderLock } from '../holder-lock.ts'
import { freePort } from '../ports.ts'
import type { Network } from './cluster-folder.ts'

const USUAL_PORT = 6443

/** Little used ranges of private addresses first; the last two are set aside for tests of networks. */
const CANDIDATES = [...Array.from({ length: 20 }, (_, i) => `10.${213 + i}`), '198.18', '198.19']

/**
 * Chooses the network of last time, where it is free, and keeps it from other nodes that start at the same time.
 *
 * @returns how to let go, once port and route are in use.
 * @throws {PlatformError} `CLUSTER_UNSUPPORTED` when every candidate is taken.
 */
export async function reserveNetwork(
  former: Network | null,
): Promise<{ readonly network: Network; readonly release: () => void }> {
  const releases: (() => void)[] = []
  const take = (name: string): boolean => {
    const letGo = new HolderLock(path.join(os.tmpdir(), 'gyre-nodes', name)).acquire()
    if (letGo) releases.push(letGo)
    return letGo !== null
  }
  const net = chooseNet(former?.net, take)
  for (const wish of [former?.port ?? USUAL_PORT, 0, 0]) {
    const port = await freePort(wish)
    if (port !== null && take(String(port)))
      return { network: { net, port }, release: () => releases.forEach((letGo) => letGo()) }
  }
  throw new PlatformError('CLUSTER_UNSUPPORTED', 'no port of 127.0.0.1 is free for the API server; end what listens')
}

interface Range {
  readonly first: number
  readonly last: number
}

/**
 * @param former - the net of last time, which is kept when it is free.
 * @param take - whether a free one can be had.
 * @param routes - the kernel's table, in the form of /proc/net/route.
 * @returns the first half of a /16, as `10.213`.
 * @throws {PlatformError} `CLUSTER_UNSUPPORTED` when every candidate is taken.
 */
export function chooseNet(
  former: string | undefined,
  take: (net: string) => boolean,
  routes = readFileSync('/proc/net/route', 'utf8'),
): string {
  const taken = parseRoutes(routes)
  const candidates = former ? [former, ...CANDIDATES] : CANDIDATES
  const free = candidates.find((net) => {
    const { first, last } = rangeOf(net)
    return !taken.some((other) => other.first <= last && first <= other.last) && take(net)
  })
  if (free) return free
  const message = `this machine has routes to all of ${CANDIDATES[0]}.0.0/16 … ${CANDIDATES.at(-1)}.0.0/16, none is left for a cluster; remove one`
  throw new PlatformError('CLUSTER_UNSUPPORTED', message)
}

function rangeOf(net: string): Range {
  const [a = 0, b = 0] = net.split('.').map(Number)
  const first = a * 2 ** 24 + b * 2 ** 16
  return { first, last: first + 2 ** 16 - 1 }
}

/** All routes but the default one. Addresses stand there in hexadecimal, lowest byte first. */
function parseRoutes(text: string): Range[] {
  return text
    .split('\n')
    .slice(1)
    .map((line) => line.split('\t'))
    .filter((fields) => fields.length > 7 && fields[7] !== '00000000')
    .map((fields) => {
      const first = hexAddress(fields[1]!)
      return { first, last: first + (2 ** 32 - 1 - hexAddress(fields[7]!)) }
    })
}

function hexAddress(text: string): number {
  return Buffer.from(text, 'hex').readUInt32LE()
}
