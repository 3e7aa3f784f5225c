/** Prefect and Dagster in a virtual environment of their own. One that cannot be had or does not answer in time is absent. */

import { execFile, spawn } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { freePort } from '../../workers/health.ts'

const here = path.resolve(import.meta.dirname, '../peers')
const INSTALL_MS = 10 * 60_000
const ROWS_S = 90
const START_MS = 60_000

export interface PeerFigure {
  readonly row: string
  /** How it ran: `threads`, `in process`, `a process per step`. */
  readonly executor: string
  readonly ms: number
  /** Of so many steps or items. */
  readonly count: number
}

export interface Peer {
  readonly name: 'prefect' | 'dagster'
  readonly coldStartMs: number
  readonly figures: readonly PeerFigure[]
}

export interface Sizes {
  readonly chain: number
  readonly fan: number
  readonly map: number
}

/** @param folder - what peers write goes below it. */
export async function measurePeers(
  folder: string,
  sizes: Sizes,
  say: (line: string) => void,
): Promise<readonly Peer[]> {
  const python = path.resolve(import.meta.dirname, '../../.gyre/bench-peers')
  try {
    say('installing Prefect and Dagster')
    await promisify(execFile)('sh', [path.join(here, 'install.sh'), python], { timeout: INSTALL_MS })
  } catch (error) {
    say(`no Prefect and no Dagster: ${(error as Error).message}`)
    return []
  }
  const peers: Peer[] = []
  for (const measure of [prefect, dagster])
    try {
      say(measure.name)
      peers.push(await measure(path.join(python, 'bin'), path.join(folder, measure.name), sizes))
    } catch (error) {
      say(`${measure.name} is left out: ${(error as Error).message}`)
    }
  return peers
}

async function prefect(bin: string, home: string, sizes: Sizes): Promise<Peer> {
  await mkdir(home, { recursive: true })
  const port = await freePort()
  const env = {
    ...process.env,
    PREFECT_HOME: home,
    PREFECT_API_URL: `http://127.0.0.1:${port}/api`,
    PREFECT_SERVER_ANALYTICS_ENABLED: 'false',
    PREFECT_LOGGING_LEVEL: 'ERROR',
    DO_NOT_TRACK: '1',
  }
  const command = [path.join(bin, 'prefect'), 'server', 'start', '--host', '127.0.0.1', '--port', String(port)]
  return besideServer(command, env, `http://127.0.0.1:${port}/api/health`, async (coldStartMs) => ({
    name: 'prefect',
    coldStartMs,
    figures: await rowsOf(bin, 'prefect_rows.py', sizes, env),
  }))
}

async function dagster(bin: string, home: string, sizes: Sizes): Promise<Peer> {
  await mkdir(home, { recursive: true })
  await writeFile(path.join(home, 'dagster.yaml'), 'telemetry:\n  enabled: false\n')
  const port = await freePort()
  const env = { ...process.env, DAGSTER_HOME: home, PATH: `${bin}:${process.env.PATH}` }
  const file = path.join(here, 'dagster_rows.py')
  const command = [
    path.join(bin, 'dagster'),
    'dev',
    '--host',
    '127.0.0.1',
    '--port',
    String(port),
    '--python-file',
    file,
  ]
  return besideServer(command, env, `http://127.0.0.1:${port}/server_info`, async (coldStartMs) => ({
    name: 'dagster',
    coldStartMs,
    figures: await rowsOf(bin, 'dagster_rows.py', sizes, env),
  }))
}

/** Starts a peer's server, waits until it answers, works beside it, and ends all of its processes. */
async function besideServer<T>(
  [program, ...args]: readonly string[],
  env: NodeJS.ProcessEnv,
  url: string,
  work: (coldStartMs: number) => Promise<T>,
): Promise<T> {
  const started = performance.now()
  const server = spawn(program!, args, { env, stdio: 'ignore', detached: true })
  try {
    while (!(await fetch(url).catch(() => null))?.ok) {
      if (performance.now() - started > START_MS || server.exitCode !== null)
        throw new Error('its server did not start')
      await delay(20)
    }
    return await work(performance.now() - started)
  } finally {
    process.kill(-server.pid!, 'SIGKILL')
  }
}

async function rowsOf(bin: string, script: string, { chain, fan, map }: Sizes, env: NodeJS.ProcessEnv) {
  const args = [path.join(here, script), ROWS_S, chain, fan, map].map(String)
  const { stdout } = await promisify(execFile)(path.join(bin, 'python'), args, {
    env,
    timeout: 4 * ROWS_S * 1_000,
    maxBuffer: 2 ** 26,
  })
  const rows = stdout.split('\n').filter((line) => line.startsWith('{"row"'))
  return rows.map((line) => JSON.parse(line) as PeerFigure)
}
