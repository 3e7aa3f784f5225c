/**
 * The embedded stack: Temporal, API, gateway and worker as children of this process, on one state folder.
 *
 * K1  One stack per state folder, by a lock that a dead holder loses.
 * K2  No child outlives its parent: pipes close, and what is left nevertheless is ended at the next start.
 * K3  A child that dies is started again; runs go on, because their state is in the store and in Temporal's database.
 * K4  A restart keeps the ports, so that links and clients stay right.
 */
import type { Server } from 'node:http'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { setTimeout as delay } from 'node:timers/promises'
import { endProcesses, identifyProcess, thisProcess, type ProcessIdentity } from '#core/compute'
import { isPlatformError } from '#core/errors'
import { entryPoint, installationRoot, type EntryPoint } from '#core/execution'
import { openStore, refuseUnsafeStore, refuseUnusableStore } from '#core/storage'
import { namesServer, temporalSettings, withoutOwnServer, type TemporalSettings } from '../temporal/settings.ts'
import { frontEnvironment, type Front } from './front.ts'
import { completePlacement, placementOf } from './placement.ts'
import { serveControl } from './control.ts'
import { reservePorts, type Ports } from './ports.ts'
import { takeSnapshot } from './snapshot.ts'
import { StateFolder, type StackInfo } from './state-folder.ts'
import { SupervisedChild, type ChildSpec } from './supervised-child.ts'
import { extendRetention, requireTemporalBinary, temporalServer } from './temporal-server.ts'

export interface StackOptions {
  readonly state: string
  /** Ports that were asked for: these or none. */
  readonly ports?: Partial<Ports>
  readonly env: NodeJS.ProcessEnv
  /** One line of progress at a time, for waits of more than a moment. */
  readonly say: (line: string) => void
  /** The address that other machines reach; left out, this machine alone does. */
  readonly front?: Front
  /** One line when a child died; left out, deaths are only seen in the logs. */
  readonly onDeath?: (line: string) => void
}

export interface Stack {
  readonly info: StackInfo
  readonly state: StateFolder
  /** Takes renewed certificates. */
  reload(): void
  /** Stops all, children first to last; `hurry` kills at once, `regardless` waits for no command that uses it. */
  stop(options?: { hurry?: boolean; regardless?: boolean }): Promise<void>
}

const DRAIN_MS = 10_000
const LEFTOVER_GRACE_MS = 2_000
const START_ATTEMPTS = 3

/**
 * @throws {PlatformError} `STATE_IN_USE`, `PORT_IN_USE`, `TEMPORAL_NOT_FOUND`, `TEMPORAL_UNAVAILABLE`, `TEMPORAL_UNUSABLE`,
 *   `STACK_START_FAILED`; `STORE_REFUSED`, `STORE_UNAVAILABLE`, `STORE_UNSAFE`; those of `completePlacement`.
 */
export async function startStack(options: StackOptions): Promise<Stack> {
  const state = new StateFolder(options.state)
  state.prepare()
  const release = state.acquire()
  try {
    await endLeftovers(state)
    await checkStore(options.env)
    const placed = { ...options, env: await completePlacement(options.env, state.path, options.say) }
    return await startOnFreePorts(placed, state, await chooseTemporal(placed), release)
  } catch (error) {
    release()
    throw error
  }
}

/** A folder of this machine needs no questions; a bucket may be missing, read-only, or keep no condition on writes. */
async function checkStore(env: NodeJS.ProcessEnv): Promise<void> {
  const uri = env['GYRE_STORE'] ?? ''
  if (!uri.startsWith('s3://')) return
  const store = await openStore(uri, { project: env['GYRE_PROJECT'] || 'default' })
  await refuseUnusableStore(store)
  await refuseUnsafeStore(store)
}

interface TemporalChoice {
  /** A server of the user's own, found to be usable; null starts ours. */
  readonly external: TemporalSettings | null
  readonly binary: string | null
}

async function chooseTemporal({ env, say }: StackOptions): Promise<TemporalChoice> {
  if (!namesServer(env)) return { external: null, binary: await requireTemporalBinary(say, env) }
  const external = temporalSettings(env)
  const { prepareTemporal } = await import('../temporal/index.ts')
  await prepareTemporal(external, { patienceMs: 0 })
  return { external, binary: null }
}

/** A port can be taken between its choice and its use: then others are chosen. */
async function startOnFreePorts(
  options: StackOptions,
  state: StateFolder,
  temporal: TemporalChoice,
  release: () => void,
): Promise<Stack> {
  for (let attempt = 1; ; attempt++) {
    const remembered = attempt === 1 ? (state.readJson<Partial<Ports>>('ports.json') ?? {}) : null
    const reserved = await reservePorts(options.ports ?? {}, remembered, options.front?.port)
    const stack = new ProcessTree(options, state, temporal, reserved.ports, () => {
      reserved.release()
      release()
    })
    try {
      await stack.start()
      return stack
    } catch (error) {
      await stack.abandon(0)
      reserved.release()
      if (attempt === START_ATTEMPTS || !isPortConflict(error)) throw error
    }
  }
}

function isPortConflict(error: unknown): boolean {
  return isPlatformError(error) && /EADDRINUSE|address already in use/i.test(error.message)
}

/** Children of a parent that was killed, which had not yet noticed (K2). */
async function endLeftovers(state: StateFolder): Promise<void> {
  state.remove('stack.json')
  const recorded = state.readJson<(ProcessIdentity & { name: string })[]>('processes.json') ?? []
  await endProcesses(recorded, LEFTOVER_GRACE_MS)
  state.remove('processes.json')
  state.remove('snapshots')
}

class ProcessTree implements Stack {
  readonly info: StackInfo
  readonly #children: SupervisedChild[] = []
  readonly #env: NodeJS.ProcessEnv
  #control: Server | null = null
  /** The Temporal server itself, below its guard. */
  #temporalServer: ProcessIdentity | null = null

  constructor(
    private readonly options: StackOptions,
    readonly state: StateFolder,
    private readonly temporal: TemporalChoice,
    private readonly ports: Ports,
    private readonly release: () => void,
  ) {
    const env = (this.#env = temporal.external ? options.env : withoutOwnServer(options.env))
    this.info = {
      ...thisProcess(),
      apiUrl: `http://127.0.0.1:${ports.api}`,
      gatewayUrl: placementOf(env).services === 'process' ? `http://127.0.0.1:${ports.gateway}` : null,
      temporalAddress: temporal.external?.address ?? `127.0.0.1:${ports.temporal}`,
      temporalUiUrl: temporal.external ? env['TEMPORAL_UI_URL'] || null : `http://127.0.0.1:${ports.temporalUi}`,
      publicUrl: options.front?.publicUrl ?? null,
      namespace: temporal.external?.namespace ?? 'default',
      storeUri: env['GYRE_STORE'] || pathToFileURL(state.objects).href,
      project: env['GYRE_PROJECT'] || 'default',
      projectDir: env['GYRE_PROJECT_DIR'] || installationRoot(),
    }
  }

  async start(): Promise<void> {
    this.state.ownerToken()
    const gateway = this.info.gatewayUrl === null ? null : this.#startEntry('gateway', this.ports.gateway)
    const others = this.#startTemporal().then(() =>
      Promise.all([this.#startEntry('api', this.ports.api), this.#startEntry('worker', 0)]),
    )
    const outcomes = await Promise.allSettled([gateway, others])
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason
    // Last: whoever comes from outside finds everything up.
    if (this.options.front) await this.#startEntry('front', 0)
    this.#control = await serveControl(this.state.controlSocket, () => this.#snapshot())
    this.state.writeJson('ports.json', this.ports)
    this.state.writeJson('stack.json', this.info)
  }

  async #startTemporal(): Promise<void> {
    const { binary } = this.temporal
    if (binary === null) return
    const spec = temporalServer({
      binary,
      databaseFile: this.state.temporalDatabase,
      port: this.ports.temporal,
      uiPort: this.ports.temporalUi,
      codecEndpoint: this.#env['GYRE_CODEC_KEYS_FILE'] ? `${this.info.apiUrl}/api/codec` : null,
      logFile: path.join(this.state.logs, 'temporal.log'),
      env: this.#env,
    })
    await this.#startChild({ ...spec, isReady: (line) => spec.isReady(line) && this.#noteServer(line) })
    void extendRetention(binary, this.info.temporalAddress, this.#env)
  }

  #noteServer(line: string): boolean {
    this.#temporalServer = identifyProcess(Number(line.split(' ')[1]))
    this.#record()
    return true
  }

  async #startEntry(name: EntryPoint, port: number): Promise<void> {
    await this.#startChild({
      name,
      command: [process.execPath, entryPoint(name)],
      env: this.#environment(port),
      logFile: path.join(this.state.logs, `${name}.log`),
      isReady: isReadyLine,
      startTimeoutMs: 30_000,
    })
  }

  async #startChild(spec: ChildSpec): Promise<void> {
    const child = new SupervisedChild(spec, () => this.#record(), this.options.onDeath)
    this.#children.push(child)
    await child.start()
  }

  #environment(port: number): NodeJS.ProcessEnv {
    const { info } = this
    return {
      ...this.#env,
      GYRE_STORE: info.storeUri,
      GYRE_PROJECT: info.project,
      GYRE_STATE: this.state.path,
      GYRE_PORT: String(port),
      GYRE_TEMPORAL_ADDRESS: info.temporalAddress,
      GYRE_TEMPORAL_UI: info.temporalUiUrl ?? '',
      GYRE_NAMESPACE: info.namespace,
      // People wait for the end of a command, and attempts resume anyway.
      GYRE_SHUTDOWN_GRACE_MS: this.#env['GYRE_SHUTDOWN_GRACE_MS'] || '500',
      // Whatever the environment says: only the front door may be reached from elsewhere.
      ...{ GYRE_LISTEN: '127.0.0.1', GYRE_HOST: '127.0.0.1' },
      GYRE_API_URL: info.apiUrl,
      ...(info.gatewayUrl !== null && { GYRE_GATEWAY_URL: info.gatewayUrl }),
      ...(this.options.front && frontEnvironment(this.options.front)),
      GYRE_PROJECT_DIR: info.projectDir,
    }
  }

  /** Those that write objects or the database stand still for it; predictions go on. */
  #snapshot() {
    const writers = this.#children
      .filter(({ spec }) => ['worker', 'api', 'temporal'].includes(spec.name))
      .flatMap((child) => child.identity()?.pid ?? [])
    return takeSnapshot(this.state, { writers, storeUri: this.info.storeUri })
  }

  /** Who runs now, so that the next start can end what outlived us (K2). */
  #record(): void {
    const running = this.#children.flatMap((child) => {
      const identity = child.identity()
      return identity ? [{ name: child.spec.name, ...identity }] : []
    })
    const server = this.#temporalServer ? [{ name: 'temporal-server', ...this.#temporalServer }] : []
    try {
      this.state.writeJson('processes.json', [...running, ...server])
    } catch {
      // On a full disk the stack goes on; its children still end with their pipes.
    }
  }

  reload(): void {
    const front = this.#children.find(({ spec }) => spec.name === 'front')?.identity()
    if (front) process.kill(front.pid, 'SIGHUP')
  }

  async stop({ hurry = false, regardless = false } = {}): Promise<void> {
    if (!hurry && !regardless) await this.#waitForOtherCommands()
    await this.abandon(hurry ? 0 : DRAIN_MS)
    this.state.remove('stack.json')
    this.release()
  }

  /** A command that began to use this stack meanwhile keeps it up until it is done. */
  async #waitForOtherCommands(): Promise<void> {
    let told = false
    for (let others = this.state.otherClients(); others.length > 0; others = this.state.otherClients()) {
      if (!told) this.options.say(`waiting for another gyre command (process ${others[0]?.pid}) that uses this stack`)
      told = true
      await delay(100)
    }
  }

  /** Ends the children; the lock stays. Temporal goes last: the others still speak to it while they drain. */
  async abandon(graceMs = DRAIN_MS): Promise<void> {
    const temporal = this.#children.filter((child) => child.spec.name === 'temporal')
    const others = this.#children.filter((child) => child.spec.name !== 'temporal')
    await Promise.all(others.map((child) => child.stop(graceMs)))
    await Promise.all(temporal.map((child) => child.stop(graceMs)))
    this.#control?.close()
    this.state.remove('processes.json')
  }
}

function isReadyLine(line: string): boolean {
  try {
    return (JSON.parse(line) as { ready?: unknown }).ready === true
  } catch {
    return false
  }
}
