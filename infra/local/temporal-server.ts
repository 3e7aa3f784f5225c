/**
 * The Temporal development server of the embedded stack: how it is found and brought, and with which settings it runs.
 * The settings make a step cost about 11 ms instead of 90; a self-hosted production server has the same slow defaults.
 */
import { execFile } from 'node:child_process'
import { request } from 'undici'
import { setTimeout as delay } from 'node:timers/promises'
import { PlatformError } from '#core/errors'
import type { ChildSpec } from './supervised-child.ts'
import { SEARCH_ATTRIBUTES } from '../temporal/search-attributes.ts'
import { cacheFolder, findTemporalBinary, TEMPORAL_CLI_VERSION } from './temporal-binary.mjs'

const RETENTION_DAYS = 90

export interface TemporalServerOptions {
  /** The `temporal` binary. */
  readonly binary: string
  readonly databaseFile: string
  readonly port: number
  readonly uiPort: number
  /** Where the page has encrypted payloads decrypted; null where none are. */
  readonly codecEndpoint: string | null
  readonly logFile: string
  readonly env: NodeJS.ProcessEnv
}

/**
 * @returns the path of a usable server.
 * @throws {PlatformError} `TEMPORAL_NOT_FOUND` naming the five ways and why each did not do.
 */
export async function requireTemporalBinary(say: (line: string) => void, env: NodeJS.ProcessEnv): Promise<string> {
  const found = await findTemporalBinary({ say, env })
  if (found.path) return found.path
  const ways = [
    'set TEMPORAL_ADDRESS to a server that runs (1.29 or newer)',
    'put the temporal command line on PATH',
    `put the binary at ${cacheFolder(env)}/temporal`,
    'let this machine reach github.com for the official download',
    `install Go 1.25 or newer, for: go install github.com/temporalio/cli/cmd/temporal@v${TEMPORAL_CLI_VERSION}`,
  ]
  const message = `no Temporal server could be found or built (${found.tried.join('; ')}). Any of these mends it:\n${ways.map((way, i) => `  ${i + 1}. ${way}`).join('\n')}`
  throw new PlatformError('TEMPORAL_NOT_FOUND', message, { tried: found.tried })
}

/**
 * The server does not watch its standard input, so a shell stands guard: it tells the server's pid on standard output,
 * ends when the server ends, and ends the server when the pipe closes, also where the shell itself was killed.
 * At its end the server only waits three seconds for its own clients; the database survives a kill (WAL).
 */
const GUARD = `exec 3<&0
"$@" </dev/null >&2 3<&- &
server=$!
{ cat <&3 >/dev/null; kill -KILL $server; } 2>/dev/null &
watcher=$!
exec 3<&-
trap 'kill -KILL $server; wait $server' TERM
echo "server $server"
wait $server
status=$?
kill $watcher 2>/dev/null
exit $status`

export function temporalServer(options: TemporalServerOptions): ChildSpec {
  const { binary, databaseFile, port, uiPort, codecEndpoint } = options
  return {
    name: 'temporal',
    command: [
      ...(['/bin/sh', '-c', GUARD, 'gyre-temporal'] as const),
      ...[binary, 'server', 'start-dev', '--ip', '127.0.0.1', '--port', String(port), '--ui-port', String(uiPort)],
      ...['--db-filename', databaseFile, '--log-format', 'json', '--log-level', 'warn'],
      ...['--dynamic-config-value', 'history.transferProcessorMaxPollRPS=10000'],
      ...['--dynamic-config-value', 'system.enableActivityEagerExecution=true'],
      ...['--sqlite-pragma', 'journal_mode=WAL', '--sqlite-pragma', 'synchronous=NORMAL'],
      ...(codecEndpoint === null ? [] : ['--ui-codec-endpoint', codecEndpoint]),
      ...SEARCH_ATTRIBUTES.flatMap((name) => ['--search-attribute', `${name}=Keyword`]),
    ],
    env: options.env,
    logFile: options.logFile,
    isReady: (line) => line.startsWith('server '),
    untilUp: (signal) => namespaceAnswers(uiPort, signal),
    startTimeoutMs: 30_000,
  }
}

/** The page's own API answers once the namespace is registered; asking it spares a gRPC client here. */
async function namespaceAnswers(uiPort: number, signal: AbortSignal): Promise<void> {
  for (;;) {
    const answer = await request(`http://127.0.0.1:${uiPort}/api/v1/namespaces/default`, { signal }).catch(() => null)
    await answer?.body.dump()
    if (answer?.statusCode === 200) return
    await delay(25, undefined, { signal })
  }
}

/** The development server keeps closed runs for a day; people want to look back for longer. Harmless to repeat. */
export function extendRetention(binary: string, address: string, env: NodeJS.ProcessEnv): Promise<void> {
  const args = ['operator', 'namespace', 'update', '--namespace', 'default', '--address', address]
  return new Promise((resolve) => {
    // What the store holds outlives any retention, so a failure here costs only history in the Temporal page.
    execFile(binary, [...args, '--retention', `${RETENTION_DAYS}d`], { env, timeout: 20_000 }, () => resolve())
  })
}
