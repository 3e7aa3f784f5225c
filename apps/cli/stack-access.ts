/**
 * The stack that a verb works with: the server that GYRE_API_URL names, else the stack that runs on the state folder, else
 * one of its own, stopped at its end.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { isPlatformError, PlatformError } from '#core/errors'
import { StateFolder, startStack, type Stack, type StackInfo } from '../../infra/local/index.ts'
import { ApiClient } from './api-client.ts'
import { Interrupted } from './failure.ts'
import type { Invocation } from './invocation.ts'

export interface StackUse {
  readonly api: ApiClient
  readonly info: Pick<StackInfo, 'apiUrl' | 'gatewayUrl' | 'temporalAddress' | 'temporalUiUrl'>
  readonly state: StateFolder
  /** For predictions, where the server is one that GYRE_API_URL names; null on this machine's own stack, which asks for none. */
  readonly endpointToken: string | null
  /** Aborted by Ctrl-C and SIGTERM. */
  readonly signal: AbortSignal
  /** Whether the stack was started by this command and ends with it. */
  readonly own: boolean
}

/** How long a stack that is being started by another command is waited for. */
const STARTING_MS = 40_000
const START_ATTEMPTS = 3

/** Runs the body with a stack. Ctrl-C aborts the body, then stops an own stack; a second Ctrl-C kills it. */
export async function withStack<T>(invocation: Invocation, body: (use: StackUse) => Promise<T>): Promise<T> {
  const state = new StateFolder(invocation.state)
  state.prepare()
  const interrupt = onInterrupt()
  const leave = state.enter()
  let own: Stack | null = null
  try {
    const server = serverOf(invocation.env, state)
    const found = server ? { info: server.info, own: null } : await findOrStart(state, invocation)
    own = found.own
    const { info } = found
    const api = new ApiClient(info.apiUrl, server?.token ?? state.ownerToken())
    const endpointToken = server?.token ?? null
    return await body({ api, info, state, endpointToken, signal: interrupt.signal, own: own !== null })
  } catch (error) {
    if (interrupt.signal.aborted) throw new Interrupted()
    throw error
  } finally {
    leave()
    if (own) await stopUnlessHurried(own, interrupt)
    interrupt.dispose()
  }
}

/**
 * A server of a team or of a cluster, where the environment names one.
 *
 * @throws {PlatformError} `INVALID_INPUT` without a token for it: the key of this machine's own stack goes to no other one.
 */
function serverOf(env: NodeJS.ProcessEnv, state: StateFolder): { info: StackUse['info']; token: string } | null {
  const apiUrl = env['GYRE_API_URL']
  if (!apiUrl) return null
  const hostname = URL.canParse(apiUrl) ? new URL(apiUrl).hostname : null
  if (hostname === null)
    throw new PlatformError(
      'INVALID_INPUT',
      `GYRE_API_URL "${apiUrl}" is no address; write for example https://gyre.example`,
    )
  const isHere = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname)
  const token = env['GYRE_API_TOKEN'] ?? (isHere ? state.ownerToken() : null)
  if (!token)
    throw new PlatformError(
      'INVALID_INPUT',
      `GYRE_API_TOKEN is not set, which ${apiUrl} wants to see; an owner makes one with gyre user token NAME --for api`,
    )
  const url = apiUrl.replace(/\/+$/, '')
  return { info: { apiUrl: url, gatewayUrl: url, temporalAddress: '', temporalUiUrl: null }, token }
}

/** Two commands at once may both find no stack: the one that comes second to the lock uses the other's. */
async function findOrStart(
  state: StateFolder,
  invocation: Invocation,
): Promise<{ info: StackInfo; own: Stack | null }> {
  for (let attempt = 1; ; attempt++) {
    const info = await findRunning(state)
    if (info) {
      checkProject(info, invocation)
      return { info, own: null }
    }
    if (!invocation.mayStart) throw notRunning(invocation.state)
    try {
      const own = await startOwn(invocation)
      return { info: own.info, own }
    } catch (error) {
      if (!isPlatformError(error) || error.code !== 'STATE_IN_USE' || attempt === START_ATTEMPTS) throw error
    }
  }
}

/** A stack offers the pipelines of one project, the one that it was started with. */
function checkProject({ projectDir }: StackInfo, { env, projectIsChosen, state, remark }: Invocation): void {
  const wanted = env['GYRE_PROJECT_DIR']
  if (!wanted || wanted === projectDir) return
  const message = `the stack on ${state} offers the pipelines of ${projectDir}, not of ${wanted}; stop it, or name another state folder with --state`
  if (projectIsChosen) throw new PlatformError('STATE_IN_USE', message, { state, projectDir })
  remark(`gyre: ${message}`)
}

function startOwn(invocation: Invocation): Promise<Stack> {
  return startStack({ state: invocation.state, env: invocation.env, say: (line) => invocation.remark(`gyre: ${line}`) })
}

/** The stack of the folder; where one is just starting, waits until it is up. */
async function findRunning(state: StateFolder): Promise<StackInfo | null> {
  const deadline = Date.now() + STARTING_MS
  while (state.holder() && Date.now() < deadline) {
    const running = state.runningStack()
    if (running) return running
    await delay(50)
  }
  return null
}

function notRunning(folder: string): PlatformError {
  return new PlatformError('STACK_NOT_RUNNING', `no stack runs on ${folder}; start one, or leave out --no-start`, {
    command: `./gyre dev --state ${folder}`,
  })
}

export interface Interrupt {
  readonly signal: AbortSignal
  /** Calls back on the second signal, for people in a hurry. */
  onSecond(callback: () => void): void
  dispose(): void
}

export function onInterrupt(signals: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP']): Interrupt {
  const controller = new AbortController()
  let second = () => {}
  const handle = () => {
    if (controller.signal.aborted) second()
    else controller.abort(new Interrupted())
  }
  for (const name of signals) process.on(name, handle)
  return {
    signal: controller.signal,
    onSecond: (callback) => (second = callback),
    dispose: () => signals.forEach((name) => process.off(name, handle)),
  }
}

/** Stops the stack; a second signal while it drains kills it. */
export async function stopUnlessHurried(stack: Stack, interrupt: Interrupt): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    interrupt.onSecond(() => void stack.stop({ hurry: true }).then(resolve, reject))
    stack.stop().then(resolve, reject)
  })
}
