/** The worker process: registers, runs, drains. Says `{"ready":true}` on standard output; ends when its parent does. */

import { Runtime, type Worker } from '@temporalio/worker'
import { compose } from './compose.ts'
import { readConfig } from './config.ts'
import { createComputeWorker } from './compute.ts'
import { createPipelineWorker } from './pipeline.ts'
import { pinoForTemporal } from './temporal-log.ts'

const config = readConfig(process.env)
Runtime.install({ logger: pinoForTemporal(), shutdownSignals: ['SIGTERM', 'SIGINT'] })
const parts = await compose(config)
const workers: Worker[] = []
if (config.queues.includes('pipeline')) workers.push(await createPipelineWorker(config, parts))
for (const queue of ['cpu', 'gpu'] as const)
  if (config.queues.includes(queue)) workers.push(await createComputeWorker(`gyre-${queue}`, config, parts))

// The parent holds the other end of standard input: when it is gone, so are we.
process.stdin.on('end', () => process.kill(process.pid, 'SIGTERM')).resume()

const running = Promise.all(workers.map((worker) => worker.run()))
process.stdout.write(`${JSON.stringify({ ready: true })}\n`)
await running
await parts.connection.close()
process.exit(0)
