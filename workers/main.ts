/**
 * The worker process: checks, registers, runs, drains. Says `{"ready":true}` on standard output; ends with its parent, and
 * on SIGTERM once its steps have ended or their time of grace is over.
 */

import { setTimeout as delay } from 'node:timers/promises'
import { Runtime, type Worker } from '@temporalio/worker'
import { isPlatformError, toPlatformError } from '#core/errors'
import { createLogger } from '#core/log'
import { endWithParent } from '#core/serving'
import { compose, type Composition } from './compose.ts'
import { readConfig, type WorkerConfig } from './config.ts'
import { createComputeWorker } from './compute.ts'
import { freePort, serveHealth, storeProbe } from './health.ts'
import { createPipelineWorker } from './pipeline.ts'
import { pinoForTemporal } from './temporal-log.ts'

try {
  await run(readConfig(process.env))
} catch (error) {
  const { message, exitCode } = toPlatformError(error)
  createLogger('worker').fatal(isPlatformError(error) ? {} : { err: error }, `the worker cannot go on: ${message}`)
  process.exit(exitCode)
}

async function run(config: WorkerConfig): Promise<void> {
  const metricsPort = config.health ? await freePort() : 0
  Runtime.install({
    logger: pinoForTemporal(),
    shutdownSignals: ['SIGTERM', 'SIGINT'],
    telemetryOptions: config.health ? { metrics: { prometheus: { bindAddress: `127.0.0.1:${metricsPort}` } } } : {},
  })
  const parts = await compose(config)
  const workers = await createWorkers(config, parts)
  const health = config.health && (await serveHealth({ ...config.health, metricsPort, ...readiness(workers, parts) }))
  endWithParent(() => process.kill(process.pid, 'SIGTERM'))
  if (config.services === 'kubernetes' && config.queues.includes('pipeline')) keepServicesTrue(parts)
  const running = Promise.all(workers.map((worker) => worker.run()))
  process.stdout.write(`${JSON.stringify({ ready: true, ...(health && { health: health.url }) })}\n`)
  await running
  health?.close()
  await parts.close()
  process.exit(0)
}

const RECONCILE_MS = 10_000

/** What endpoints should be lies in the store; whatever changes that, the cluster follows. Ends with the process. */
function keepServicesTrue({ services, log }: Composition): void {
  const look = () =>
    services.reconcile().catch((error: unknown) => log.warn({ err: error }, 'the endpoints could not be looked after'))
  void (async () => {
    for (;;) {
      await look()
      await delay(RECONCILE_MS, undefined, { ref: false })
    }
  })()
}

async function createWorkers(config: WorkerConfig, parts: Composition): Promise<readonly Worker[]> {
  const workers: Worker[] = []
  if (config.queues.includes('pipeline')) workers.push(await createPipelineWorker(config, parts))
  for (const queue of ['cpu', 'gpu'] as const)
    if (config.queues.includes(queue)) workers.push(await createComputeWorker(`gyre-${queue}`, config, parts))
  return workers
}

/** A worker that drains is not ready any more. */
function readiness(workers: readonly Worker[], { store }: Composition): { problems: () => Promise<readonly string[]> } {
  const askStore = storeProbe(() => store.head('readiness'))
  return {
    problems: async () => {
      const states = workers.filter((worker) => worker.getState() !== 'RUNNING')
      const idle = states.map((worker) => `a worker of ${worker.options.taskQueue} is ${worker.getState()}`)
      return [...idle, await askStore()].filter((problem) => problem !== null)
    },
  }
}
