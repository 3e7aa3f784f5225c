/** `gyre serve`: the stack for a team, under an address that other machines reach, until it is stopped. */
import { once } from 'node:events'
import path from 'node:path'
import pc from 'picocolors'
import { PlatformError } from '#core/errors'
import { installationRoot } from '#core/execution'
import { chooseFront, startStack, type Front, type Stack } from '../../../infra/local/index.ts'
import { systemdUnit, UNIT_STATE } from '../../../infra/server/systemd-unit.ts'
import { ApiClient } from '../api-client.ts'
import { Invocation, type CommonOptions, type PlacementOptions } from '../invocation.ts'
import { onInterrupt } from '../stack-access.ts'
import { VERSION } from '../version.ts'
import { duration, shortPath } from '../words.ts'

export interface ServeOptions extends CommonOptions, PlacementOptions {
  readonly listen: string
  readonly tlsCert?: string
  readonly tlsKey?: string
  readonly publicUrl?: string
  readonly host: readonly string[]
  readonly behindProxy?: boolean
  /** How long a login in a browser lasts, in milliseconds. */
  readonly session?: number
  readonly printSystemdUnit?: boolean
}

export async function serve(options: ServeOptions): Promise<void> {
  const invocation = new Invocation(options)
  const front = await chooseFront({
    listen: options.listen,
    tls: tlsFiles(options),
    behindProxy: options.behindProxy ?? false,
    hosts: options.host,
    ...(options.publicUrl !== undefined && { publicUrl: options.publicUrl }),
    ...(options.session !== undefined && { sessionMs: options.session }),
  })
  if (options.printSystemdUnit) return printUnit(invocation, options, front)
  await run(invocation, front)
}

async function run(invocation: Invocation, front: Front): Promise<void> {
  const interrupt = onInterrupt(['SIGINT', 'SIGTERM'])
  const started = Date.now()
  const say = (line: string) => invocation.remark(`gyre: ${line}`)
  const stack = await startStack({ state: invocation.state, env: invocation.env, front, say, onDeath: say })
  const reload = () => stack.reload()
  process.on('SIGHUP', reload)
  try {
    const people = await new ApiClient(stack.info.apiUrl, stack.state.ownerToken()).get<unknown[]>('/api/users')
    const readyMs = Date.now() - started
    invocation.answer({ ...stack.info, state: invocation.state, people: people.length }, () =>
      summary(stack, front, people.length, readyMs),
    )
    if (!interrupt.signal.aborted) await once(interrupt.signal, 'abort')
    invocation.remark('gyre: stopping')
  } finally {
    // A server goes when it is told to; commands that use it meet a refused connection and say so.
    interrupt.onSecond(() => void stack.stop({ hurry: true }))
    await stack.stop({ regardless: true })
    process.off('SIGHUP', reload)
    interrupt.dispose()
  }
}

function tlsFiles({ tlsCert, tlsKey }: ServeOptions): Front['tls'] {
  if (!tlsCert && !tlsKey) return null
  if (tlsCert && tlsKey) return { certFile: path.resolve(tlsCert), keyFile: path.resolve(tlsKey) }
  throw new PlatformError('INVALID_INPUT', `--tls-${tlsCert ? 'key' : 'cert'} is missing; give both or none`)
}

function summary({ info, state }: Stack, front: Front, people: number, readyMs: number): string {
  const row = (name: string, value: string) => ` ${name.padEnd(10)} ${value}`
  return [
    `${pc.bold(`Gyre ${VERSION}`)}   state ${shortPath(state.path)}   ready in ${duration(readyMs)}`,
    '',
    row('page', front.publicUrl),
    row('endpoints', info.gatewayUrl === null ? 'in the cluster' : `${front.publicUrl}/v2/models/NAME/infer`),
    row('listens', `${front.host}, port ${front.port}${front.tls ? ', TLS' : ''}`),
    row('Temporal', `${info.temporalUiUrl ?? info.temporalAddress}   (from this machine alone: it has no login)`),
    row('logs', shortPath(state.logs)),
    row('people', people === 0 ? 'nobody yet' : String(people)),
    ...(people === 0 ? ['', `  ./gyre user add NAME --role owner --state ${shortPath(state.path)}`] : []),
  ].join('\n')
}

/** The unit runs what was just asked for, with absolute paths. */
function printUnit(invocation: Invocation, options: ServeOptions, { port, tls }: Front): void {
  const state = options.state === undefined ? UNIT_STATE : invocation.state
  const flag = (name: string, value: string | undefined) => (value === undefined ? [] : [name, value])
  const command = [
    ...[process.execPath, path.join(installationRoot(), 'dist', 'cli.js'), 'serve', '--state', state],
    ...['--listen', options.listen, ...flag('--tls-cert', tls?.certFile), ...flag('--tls-key', tls?.keyFile)],
    ...[...(options.behindProxy ? ['--behind-proxy'] : []), ...flag('--public-url', options.publicUrl)],
    ...options.host.flatMap((host) => ['--host', host]),
    ...(options.session === undefined ? [] : ['--session', `${options.session / 3_600_000}h`]),
    ...[...flag('--store', options.store), ...flag('--compute', options.compute)],
    ...flag('--services', options.services),
  ]
  const unit = systemdUnit({
    ...{ command, installation: installationRoot(), state, port },
    files: tls ? [tls.certFile, tls.keyFile] : [],
  })
  invocation.answer({ unit }, () => unit)
}
