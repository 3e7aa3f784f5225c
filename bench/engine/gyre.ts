/** The rows as Gyre runs them: on a whole stack of its own, started as people start it, through its API. */

import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { Client, Connection } from '@temporalio/client'
import { LiveStack } from '../../test/support/live-stack.ts'
import { executionOf, type Execution } from './executions.ts'

export type Shape = 'chain' | 'quick-chain' | 'fan' | 'map' | 'approval'

const SAMPLE_MS = 100
const APPROVAL_MS = 30_000

export class Gyre {
  private constructor(
    private readonly stack: LiveStack,
    private readonly client: Client,
    /** Of its Temporal server. */
    readonly address: string,
    readonly coldStartMs: number,
  ) {}

  static async start(state: string): Promise<Gyre> {
    const stack = new LiveStack(state, { GYRE_PROJECT_DIR: path.resolve(import.meta.dirname, '../projects/engine') })
    const started = performance.now()
    await stack.start()
    const coldStartMs = performance.now() - started
    const { temporalAddress } = await readJson<{ temporalAddress: string }>(path.join(state, 'stack.json'))
    const client = new Client({ connection: await Connection.connect({ address: temporalAddress }) })
    return new Gyre(stack, client, temporalAddress, coldStartMs)
  }

  async run(shape: Shape, size: number, salt: string): Promise<Execution> {
    const id = await this.#begin(shape, size, salt)
    await this.client.workflow.getHandle(id).result()
    return executionOf(this.client, id)
  }

  /** Milliseconds from the answer to the start of the step after it. */
  async approval(salt: string): Promise<number> {
    const id = await this.#begin('approval', 1, salt)
    await this.stack.until(id, ({ steps }) => steps[0]!.status === 'waiting', APPROVAL_MS)
    const answeredAt = Date.now()
    await this.#post(`/api/runs/${id}/approvals/ask`, { approved: true })
    const { steps } = await this.stack.until(id, ({ status }) => status === 'completed', APPROVAL_MS)
    return Date.parse(steps[1]!.startedAt!) - answeredAt
  }

  /** The most memory, in MiB, that the worker has in use while something runs. */
  async peakMib(work: () => Promise<unknown>): Promise<number> {
    const processes = await readJson<{ name: string; pid: number }[]>(path.join(this.stack.state, 'processes.json'))
    const { pid } = processes.find(({ name }) => name === 'worker')!
    let peakKib = 0
    const look = setInterval(() => {
      const status = readFileSync(`/proc/${pid}/status`, 'utf8')
      peakKib = Math.max(peakKib, Number(/VmRSS:\s+(\d+)/.exec(status)![1]))
    }, SAMPLE_MS)
    await work().finally(() => clearInterval(look))
    return peakKib / 1_024
  }

  async stop(): Promise<void> {
    await this.client.connection.close()
    await this.stack.stop()
  }

  async #begin(shape: Shape, size: number, salt: string): Promise<string> {
    const { id } = await this.#post<{ id: string }>('/api/pipelines/engine-rows/runs', {
      params: { shape, size, salt },
    })
    return id
  }

  async #post<T>(route: string, body: unknown): Promise<T> {
    const answer = await this.stack.request('POST', route, body)
    if (!answer.ok) throw new Error(`${route}: ${await answer.text()}`)
    return answer.json() as T
  }
}

async function readJson<T>(file: string): Promise<T> {
  return JSON.parse(await readFile(file, 'utf8')) as T
}
