/** The worker of the engine itself: workflows, bookkeeping, and steps that only wait. */

import { readFile } from 'node:fs/promises'
import os from 'node:os'
import { Worker } from '@temporalio/worker'
import { datasetActivities } from '../activities/datasets.ts'
import { mapActivities } from '../activities/maps.ts'
import { ownStepActivities } from '../activities/own-steps.ts'
import { rolloutActivities } from '../activities/serving.ts'
import { workerDataConverter, workflowBundlePath } from '../infra/temporal/index.ts'
import type { Composition } from './compose.ts'
import type { WorkerConfig } from './config.ts'

/** Steps that wait for something, a roll-out or a service of the user's, leave room for others. */
const WAITING_STEPS = 16

export async function createPipelineWorker(config: WorkerConfig, parts: Composition): Promise<Worker> {
  return Worker.create({
    connection: parts.connection,
    namespace: config.temporal.namespace,
    dataConverter: workerDataConverter(config.temporal),
    taskQueue: 'gyre-pipeline',
    workflowBundle: { code: await readFile(workflowBundlePath(config.temporal), 'utf8') },
    activities: {
      ...parts.bookkeeping,
      ...parts.advance,
      ...parts.people,
      'snapshot-dataset': datasetActivities(parts.stepPorts, parts.inThread)['snapshot-dataset']!,
      ...rolloutActivities(parts.stepPorts, parts.services),
      ...ownStepActivities(parts.stepPorts, parts.warm),
      ...mapActivities(parts.stepPorts, parts.warm),
    },
    maxConcurrentActivityTaskExecutions: os.availableParallelism() + WAITING_STEPS,
    maxHeartbeatThrottleInterval: config.heartbeatThrottleMs,
    defaultHeartbeatThrottleInterval: config.heartbeatThrottleMs,
    shutdownGraceTime: config.shutdownGraceMs,
    ...(config.deployment && { workerDeploymentOptions: config.deployment }),
  })
}
