/** The hand-written peer: the same work as plain activities of a plain workflow, on the server that Gyre's runs use. */

import { randomUUID } from 'node:crypto'
import path from 'node:path'
import { Client, Connection } from '@temporalio/client'
import { bundleWorkflowCode, DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker'
import type { approval } from '../workflows/by-hand.ts'
import { executionOf } from './executions.ts'

const QUEUE = 'by-hand'

export class ByHand {
  private constructor(
    private readonly client: Client,
    private readonly native: NativeConnection,
    private readonly worker: Worker,
    private readonly running: Promise<void>,
  ) {}

  static async start(address: string): Promise<ByHand> {
    const logger = new DefaultLogger('ERROR')
    Runtime.install({ logger })
    const native = await NativeConnection.connect({ address })
    const workflowsPath = path.resolve(import.meta.dirname, '../workflows/by-hand.ts')
    const worker = await Worker.create({
      connection: native,
      taskQueue: QUEUE,
      workflowBundle: await bundleWorkflowCode({ workflowsPath, logger }),
      activities: { plainAdd: async ({ n }: { n: number }) => ({ n: n + 1 }), now: async () => Date.now() },
    })
    const client = new Client({ connection: await Connection.connect({ address }) })
    return new ByHand(client, native, worker, worker.run())
  }

  chain(steps: number): Promise<number> {
    return this.#timed('chain', steps)
  }

  fan(width: number): Promise<number> {
    return this.#timed('fan', width)
  }

  map(items: number): Promise<number> {
    return this.#timed('map', items)
  }

  /** Milliseconds from the answer to the start of the activity after it. */
  async approval(): Promise<number> {
    const handle = await this.client.workflow.start<typeof approval>('approval', {
      workflowId: randomUUID(),
      taskQueue: QUEUE,
    })
    const answeredAt = Date.now()
    await handle.executeUpdate<void, []>('approve')
    return (await handle.result()) - answeredAt
  }

  async stop(): Promise<void> {
    this.worker.shutdown()
    await this.running
    await this.native.close()
    await this.client.connection.close()
  }

  /** Milliseconds from start to end, as the server has them. */
  async #timed(workflow: 'chain' | 'fan' | 'map', size: number): Promise<number> {
    const options = { workflowId: randomUUID(), taskQueue: QUEUE, args: [size] }
    const handle = await this.client.workflow.start(workflow, options)
    await handle.result()
    return (await executionOf(this.client, handle.workflowId, handle.firstExecutionRunId)).ms
  }
}
