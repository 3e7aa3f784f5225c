/** Ports of the embedded stack: those asked for, else those of last time, else the usual ones, else any free one. */
import net from 'node:net'
import { PlatformError } from '#core/errors'

export const USUAL_PORTS = { api: 8080, gateway: 8100, temporal: 7233, temporalUi: 8233 } as const
export type PortName = keyof typeof USUAL_PORTS
export type Ports = Readonly<Record<PortName, number>>

/**
 * @param asked - ports given by flag: these or none.
 * @param preferred - ports of last time, by name; null skips the usual ones too and takes any.
 * @throws {PlatformError} `PORT_IN_USE` when a port that was asked for is taken.
 */
export async function choosePorts(asked: Partial<Ports>, preferred: Partial<Ports> | null): Promise<Ports> {
  const chosen: Record<string, number> = {}
  for (const name of Object.keys(USUAL_PORTS) as PortName[]) {
    const wish = asked[name]
    if (wish !== undefined) {
      if (!(await isFree(wish))) throw portInUse(name, wish)
      chosen[name] = wish
      continue
    }
    const candidates = preferred ? [preferred[name], USUAL_PORTS[name]] : []
    chosen[name] = (await firstFree(candidates, Object.values(chosen))) ?? (await anyFree(Object.values(chosen)))
  }
  return chosen as Ports
}

function portInUse(name: PortName, port: number): PlatformError {
  const message = `port ${port}, asked for ${name}, is taken by another process; choose another port or leave it out`
  return new PlatformError('PORT_IN_USE', message, { name, port })
}

async function firstFree(
  candidates: readonly (number | undefined)[],
  taken: readonly number[],
): Promise<number | null> {
  for (const port of candidates) {
    if (port !== undefined && !taken.includes(port) && (await isFree(port))) return port
  }
  return null
}

async function anyFree(taken: readonly number[]): Promise<number> {
  for (;;) {
    const port = await probe(0)
    if (port !== null && !taken.includes(port)) return port
  }
}

async function isFree(port: number): Promise<boolean> {
  return (await probe(port)) !== null
}

/** Listens for a moment on loopback. @returns the port, or null when it is taken. */
function probe(port: number): Promise<number | null> {
  return new Promise((resolve) => {
    const server = net.createServer()
    server.once('error', () => resolve(null))
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      const { port: got } = server.address() as net.AddressInfo
      server.close(() => resolve(got))
    })
  })
}
