/** The worker of the engine itself: workflows, bookkeeping, and steps that only wait. */

import { readFile } from 'node:fs/promises'
import { Worker } from '@temporalio/worker'
import { datasetActivities } from '../activities/datasets.ts'
import { rolloutActivities } from '../activities/serving.ts'
import { workerDataConverter, workflowBundlePath } from '../infra/temporal/index.ts'
import type { Composition } from './compose.ts'
import type { WorkerConfig } from './config.ts'

export async function createPipelineWorker(config: WorkerConfig, parts: Composition): Promise<Worker> {
  return Worker.create({
    connection: parts.connection,
    namespace: config.temporal.namespace,
    dataConverter: workerDataConverter(config.temporal),
    taskQueue: 'gyre-pipeline',
    workflowBundle: { code: await readFile(workflowBundlePath(config.temporal), 'utf8') },
    activities: {
      ...parts.bookkeeping,
      ...parts.people,
      'snapshot-dataset': datasetActivities(parts.stepPorts, parts.inThread)['snapshot-dataset']!,
      ...rolloutActivities(parts.stepPorts, parts.services),
    },
    maxHeartbeatThrottleInterval: config.heartbeatThrottleMs,
    defaultHeartbeatThrottleInterval: config.heartbeatThrottleMs,
    shutdownGraceTime: config.shutdownGraceMs,
  })
}
