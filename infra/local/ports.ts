/** Ports of the embedded stack: those asked for, else those of last time, else the usual ones, else any free one. */
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { PlatformError } from '#core/errors'
import { HolderLock } from './holder-lock.ts'

export const USUAL_PORTS = { api: 8080, gateway: 8100, temporal: 7233, temporalUi: 8233 } as const
export type PortName = keyof typeof USUAL_PORTS
export type Ports = Readonly<Record<PortName, number>>

export interface Reserved {
  readonly ports: Ports
  readonly release: () => void
}

/**
 * Chooses ports and keeps them from other stacks of this user, also while nothing listens on them yet.
 *
 * @param asked - ports given by flag: these or none.
 * @param preferred - ports of last time, by name; null skips the usual ones too and takes any.
 * @param spared - a port that is kept for another use.
 * @throws {PlatformError} `PORT_IN_USE` when a port that was asked for is taken.
 */
export async function reservePorts(
  asked: Partial<Ports>,
  preferred: Partial<Ports> | null,
  spared: number | null = null,
): Promise<Reserved> {
  const releases: (() => void)[] = []
  const release = () => releases.forEach((letGo) => letGo())
  /** @returns the port when it is ours now; 0 takes any. */
  const take = async (port: number): Promise<number | null> => {
    const free = await freePort(port)
    const letGo = free === null || free === spared ? null : reservation(free).acquire()
    if (letGo) releases.push(letGo)
    return letGo ? free : null
  }
  try {
    const ports: Record<string, number> = {}
    for (const name of Object.keys(USUAL_PORTS) as PortName[]) {
      const wish = asked[name]
      const candidates = wish !== undefined ? [wish] : preferred ? [preferred[name] ?? 0, USUAL_PORTS[name]] : []
      let chosen: number | null = null
      for (const candidate of candidates.filter((port) => port !== 0)) chosen ??= await take(candidate)
      if (chosen === null && wish !== undefined) throw portInUse(name, wish)
      while (chosen === null) chosen = await take(0)
      ports[name] = chosen
    }
    return { ports: ports as Ports, release }
  } catch (error) {
    release()
    throw error
  }
}

function reservation(port: number): HolderLock {
  const user = process.getuid?.() ?? 'user'
  return new HolderLock(path.join(os.tmpdir(), `gyre-ports-${user}`, String(port)))
}

function portInUse(name: PortName, port: number): PlatformError {
  const message = `port ${port}, asked for ${name}, is taken by another process; choose another port or leave it out`
  return new PlatformError('PORT_IN_USE', message, { name, port })
}

/** Listens for a moment on loopback; 0 finds a free port. @returns the port, or null when it is taken. */
export function freePort(port: number): Promise<number | null> {
  return new Promise((resolve) => {
    const server = net.createServer()
    server.once('error', () => resolve(null))
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      const { port: got } = server.address() as net.AddressInfo
      server.close(() => resolve(got))
    })
  })
}
