/**
 * Runs random plans on a whole stack while parts of it are killed and its disk and clock misbehave, and compares what
 * comes of each with what must:
 *
 * F1  Every node ends as the reference says, with the same value.
 * F2  One result stands per node, and everybody after it has read that one: its token, made by one execution of the
 *     body, is the token that those who need it have seen.
 * F3  What stood when a worker died is not executed again.
 */

import { readFileSync, writeFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { lastGeneration, nodeRecords, readOutcome, type NodeRecord, type OutcomeRecord } from '#core/runs'
import { openStore, type ObjectStore } from '#core/storage'
import { LiveStack } from '../live-stack.ts'
import { evaluate, resultOf, type Shape } from './shapes.ts'

export type Fault = 'worker' | 'temporal' | 'tree' | 'standstill' | 'disk' | 'clock'

export interface StormOptions {
  /** A folder of its own. */
  readonly folder: string
  readonly shapes: readonly Shape[]
  readonly inFlight: number
  /** Struck in turns until all plans have ended. */
  readonly faults: readonly Fault[]
  /** Executions of bodies between two faults, drawn evenly: so that a slow machine, too, comes forward. */
  readonly everyExecutions: readonly [number, number]
  /** Draws from [0, 1). */
  readonly random: () => number
  readonly say: (line: string) => void
}

export interface StormReport {
  /** One line each; none is what must come of it. */
  readonly differences: readonly string[]
  readonly struck: Readonly<Record<Fault, number>>
  /** Plans that were in flight when something was struck. */
  readonly plansStruck: number
  /** Executions of bodies, and how many nodes they were for. */
  readonly executions: number
  readonly nodes: number
}

const LOOK_MS = 100
const PLAN_MS = 5 * 60_000
const HEARTBEAT = { GYRE_HEARTBEAT_MS: '3000', GYRE_HEARTBEAT_THROTTLE_MS: '500' }
/** Longer than attempts live without a heartbeat, so that others take over from those that stood still. */
const STANDSTILL_MS = 4_500
const DISK_MS = 1_500
const CLOCK_SHIFTS_MS = [0, 3_600_000, -3_600_000, 90_000, -90_000]

/** @returns after every plan has ended or was given up. */
export async function runStorm(options: StormOptions): Promise<StormReport> {
  const storm = new Storm(options)
  await storm.start()
  try {
    return await storm.run()
  } finally {
    await storm.stop()
  }
}

interface Flight {
  readonly run: string
  readonly shape: Shape
  readonly log: string
  struck: boolean
  /** At the deaths of workers: what had a result, and how many executions there had been. */
  readonly standing: { readonly nodes: ReadonlySet<string>; readonly executions: number }[]
}

class Storm {
  readonly #stack: LiveStack
  readonly #troubleFile: string
  readonly #differences: string[] = []
  readonly #struck: Record<Fault, number> = { worker: 0, temporal: 0, tree: 0, standstill: 0, disk: 0, clock: 0 }
  readonly #flying = new Set<Flight>()
  #store!: ObjectStore
  #plansStruck = 0
  #executions = 0
  #nodes = 0
  #over = false

  constructor(private readonly options: StormOptions) {
    const { folder } = options
    this.#troubleFile = path.join(folder, 'trouble.json')
    const preload = pathToFileURL(path.resolve(import.meta.dirname, 'troubled-process.mjs')).href
    this.#stack = new LiveStack(path.join(folder, 'state'), {
      ...HEARTBEAT,
      GYRE_PROJECT_DIR: path.resolve(import.meta.dirname, '../../fixtures/random-plans'),
      GYRE_TEST_TROUBLE: this.#troubleFile,
      NODE_OPTIONS: `--import ${preload}`,
    })
  }

  async start(): Promise<void> {
    await mkdir(path.join(this.options.folder, 'logs'), { recursive: true })
    this.#trouble({})
    await this.#stack.start()
    this.#store = await openStore(path.join(this.#stack.state, 'objects'))
  }

  stop(): Promise<void> {
    return this.#stack.stop()
  }

  async run(): Promise<StormReport> {
    const striking = this.#strikeInTurns()
    const waiting = this.options.shapes.map((shape, index) => ({ shape, run: `plan-${index}` }))
    const fly = async (): Promise<void> => {
      for (let next = waiting.shift(); next; next = waiting.shift()) await this.#fly(next.run, next.shape)
    }
    await Promise.all(Array.from({ length: this.options.inFlight }, fly))
    this.#over = true
    await striking
    return {
      differences: this.#differences,
      struck: this.#struck,
      plansStruck: this.#plansStruck,
      executions: this.#executions,
      nodes: this.#nodes,
    }
  }

  async #fly(run: string, shape: Shape): Promise<void> {
    const flight: Flight = {
      run,
      shape,
      log: path.join(this.options.folder, 'logs', `${run}.log`),
      struck: false,
      standing: [],
    }
    writeFileSync(flight.log, '')
    this.#flying.add(flight)
    try {
      const deadline = Date.now() + PLAN_MS
      await this.#post(
        '/api/pipelines/random-plan/runs',
        {
          runId: run,
          params: { log: flight.log, nodes: shape },
        },
        deadline,
      )
      const outcome = await this.#untilOver(flight, deadline)
      this.#differences.push(...(await this.#compare(flight, outcome)).map((line) => `${run}: ${line}`))
    } catch (error) {
      this.#differences.push(`${run}: ${(error as Error).message}; its nodes are ${JSON.stringify(shape)}`)
    }
    this.#flying.delete(flight)
    if (flight.struck) this.#plansStruck += 1
  }

  /** Answers what is asked; mends and resumes what failed because it was broken, as a person would, until it is done. */
  async #untilOver({ run, shape, log }: Flight, deadline: number): Promise<OutcomeRecord> {
    const answered = new Set<string>()
    let mayFail = shape.some(({ trouble }) => trouble === 'broken')
    for (; Date.now() < deadline; await delay(LOOK_MS)) {
      const generation = await lastGeneration(this.#store, run)
      const outcome = await readOutcome(this.#store, run, generation)
      if (mayFail && (generation > 1 ? !outcome : outcome?.status === 'failed')) {
        writeFileSync(`${log}.mended`, '')
        mayFail = (await this.#ask(`/api/runs/${run}/resume`, {})) >= 300
      } else if (outcome) return outcome
      const done = await nodeRecords(this.#store, run)
      for (const { id, kind, needs } of shape)
        if (kind === 'approve' && !answered.has(id) && done.has(resultOf(shape, needs[0]!)))
          if ((await this.#ask(`/api/runs/${run}/approvals/${id}`, { approved: true })) < 300) answered.add(id)
    }
    throw new Error(`has not ended in ${PLAN_MS / 1_000} s`)
  }

  async #compare(flight: Flight, outcome: OutcomeRecord): Promise<readonly string[]> {
    const executions = executionsIn(flight.log)
    this.#executions += executions.length
    this.#nodes += new Set(executions.map(({ node }) => node)).size
    const records = await nodeRecords(this.#store, flight.run)
    return [...compare(flight.shape, outcome, records, executions), ...redone(flight)]
  }

  async #strikeInTurns(): Promise<void> {
    const { faults, everyExecutions, random } = this.options
    const [least, most] = everyExecutions
    for (let turn = 0; !this.#over; turn += 1) {
      const until = this.#executionsSoFar() + least + Math.floor(random() * (most - least))
      while (!this.#over && this.#executionsSoFar() < until) await delay(LOOK_MS / 2)
      if (this.#over) break
      const fault = faults[turn % faults.length]!
      for (const flight of this.#flying) flight.struck = true
      this.options.say(`${fault} with ${this.#flying.size} plans in flight`)
      this.#struck[fault] += 1
      await this.#strike(fault).catch((error: unknown) => this.options.say(`${fault}: ${(error as Error).message}`))
    }
  }

  #executionsSoFar(): number {
    const flying = [...this.#flying].reduce((sum, { log }) => sum + executionsIn(log).length, 0)
    return this.#executions + flying
  }

  async #strike(fault: Fault): Promise<void> {
    if (fault === 'temporal') return this.#stack.kill('temporal')
    if (fault === 'worker' || fault === 'tree') {
      await this.#stack.kill(fault)
      await this.#noteWhatStands()
      if (fault === 'tree') await this.#stack.start()
      return
    }
    if (fault === 'standstill') return this.#standStill()
    if (fault === 'clock') {
      const shifts = CLOCK_SHIFTS_MS
      return this.#trouble({ clockShiftMs: shifts[Math.floor(this.options.random() * shifts.length)]! })
    }
    this.#trouble({ failShare: 0.3, delayMs: 500 })
    await delay(DISK_MS)
    this.#trouble({})
  }

  /** The worker is there and does nothing, not even beat; then it goes on as if nothing had been. */
  async #standStill(): Promise<void> {
    const pid = this.#stack.pidOf('worker')
    process.kill(pid, 'SIGSTOP')
    await delay(STANDSTILL_MS)
    process.kill(pid, 'SIGCONT')
  }

  /** F3: to be called when no worker lives. */
  async #noteWhatStands(): Promise<void> {
    for (const flight of this.#flying) {
      const nodes = new Set((await nodeRecords(this.#store, flight.run)).keys())
      flight.standing.push({ nodes, executions: executionsIn(flight.log).length })
    }
  }

  #trouble(trouble: { failShare?: number; delayMs?: number; clockShiftMs?: number }): void {
    writeFileSync(this.#troubleFile, JSON.stringify(trouble))
  }

  /** Asks until it is done: whatever answers may be away for a moment. */
  async #post(route: string, body: unknown, deadline: number): Promise<void> {
    for (; Date.now() < deadline; await delay(LOOK_MS)) {
      const status = await this.#ask(route, body)
      // A conflict means that it is done, and the answer was lost on its way.
      if (status < 300 || status === 409) return
      if (status < 500) throw new Error(`POST ${route} is refused with ${status}`)
    }
    throw new Error(`POST ${route} was never answered`)
  }

  /** @returns the status of the answer; 503 where nobody answers. */
  async #ask(route: string, body: unknown): Promise<number> {
    const answer = await this.#stack.request('POST', route, body).catch(() => null)
    await answer?.body?.cancel()
    return answer?.status ?? 503
  }
}

interface Execution {
  readonly node: string
  readonly token: string
}

function executionsIn(log: string): readonly Execution[] {
  const lines = readFileSync(log, 'utf8').split('\n').filter(Boolean)
  return lines.map((line) => ({ node: line.split(' ')[0]!, token: line.split(' ')[1]! }))
}

function redone({ log, standing }: Flight): readonly string[] {
  const executions = executionsIn(log)
  return standing.flatMap(({ nodes, executions: before }) =>
    executions
      .slice(before)
      .filter(({ node }) => nodes.has(node))
      .map(({ node }) => `${node} was executed again after its result stood`),
  )
}

interface Result {
  readonly value: number
  readonly token: string
  readonly seen: readonly string[]
}

/** F1 and F2. */
function compare(
  shape: Shape,
  outcome: OutcomeRecord,
  records: ReadonlyMap<string, NodeRecord>,
  executions: readonly Execution[],
): readonly string[] {
  if (outcome.status !== 'completed') return [`ended as ${outcome.status}: ${JSON.stringify(outcome.nodes)}`]
  const different: string[] = []
  const resultAt = (id: string): Result => records.get(resultOf(shape, id))!.output as unknown as Result
  for (const [id, expected] of evaluate(shape)) {
    const seen = outcome.nodes.find((node) => node.id === id)?.status
    if (seen !== expected.status) different.push(`${id} is ${seen}, must be ${expected.status}`)
    if (seen !== 'completed' || expected.status !== 'completed') continue
    const { value, token, seen: read } = resultAt(id)
    if (value !== expected.value) different.push(`${id} gave ${value}, must be ${expected.value}`)
    const { kind, needs } = shape.find((node) => node.id === id)!
    if (kind === 'approve') continue
    const standing = needs.map((need) => resultAt(need).token)
    if (JSON.stringify(read) !== JSON.stringify(standing)) different.push(`${id} has read results that do not stand`)
    if (records.get(id)!.origin === 'ran' && !executions.some((one) => one.node === id && one.token === token))
      different.push(`${id} has a result that nobody made`)
  }
  return different
}
