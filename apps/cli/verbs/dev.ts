/** `gyre dev`: the stack in the foreground, until Ctrl-C. */
import { once } from 'node:events'
import pc from 'picocolors'
import { startStack, type Ports, type Stack } from '../../../infra/local/index.ts'
import { ApiClient } from '../api-client.ts'
import { Invocation, type CommonOptions, type PlacementOptions } from '../invocation.ts'
import { loginLink } from '../login-link.ts'
import { onInterrupt, stopUnlessHurried } from '../stack-access.ts'
import { VERSION } from '../version.ts'
import { duration, shortPath } from '../words.ts'

export interface DevOptions extends CommonOptions, PlacementOptions {
  readonly port?: number
  readonly gatewayPort?: number
  readonly temporalPort?: number
  readonly temporalUiPort?: number
}

export async function dev(options: DevOptions): Promise<void> {
  const invocation = new Invocation(options)
  const interrupt = onInterrupt()
  const started = Date.now()
  const say = (line: string) => invocation.remark(`gyre: ${line}`)
  const stack = await startStack({
    ...{ state: invocation.state, env: invocation.env, ports: askedPorts(options) },
    ...{ say, onDeath: say },
  })
  try {
    const readyMs = Date.now() - started
    const login = await loginLink(new ApiClient(stack.info.apiUrl, stack.state.ownerToken()))
    invocation.answer({ ...stack.info, state: invocation.state, login }, () => summary(stack, login, readyMs))
    if (!interrupt.signal.aborted) await once(interrupt.signal, 'abort')
    if (!invocation.json) invocation.remark('\nStopping; press Ctrl-C again to stop at once.')
  } finally {
    await stopUnlessHurried(stack, interrupt)
    interrupt.dispose()
  }
}

function askedPorts({ port, gatewayPort, temporalPort, temporalUiPort }: DevOptions): Partial<Ports> {
  const asked = { api: port, gateway: gatewayPort, temporal: temporalPort, temporalUi: temporalUiPort }
  return Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined))
}

function summary({ info, state }: Stack, login: string, readyMs: number): string {
  const row = (name: string, value: string | null) => (value ? [` ${name.padEnd(10)} ${value}`] : [])
  return [
    `${pc.bold(`Gyre ${VERSION}`)}   state ${shortPath(state.path)}   ready in ${duration(readyMs)}`,
    '',
    ...row('page', info.apiUrl),
    ...row('log in', `${login}   (once)`),
    ...row('endpoints', info.gatewayUrl ?? 'in the cluster; `gyre endpoint list` has their addresses'),
    ...row('Temporal', info.temporalUiUrl ?? info.temporalAddress),
    ...row('logs', shortPath(state.logs)),
    '',
    'Ctrl-C stops everything.',
  ].join('\n')
}
