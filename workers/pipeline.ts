/** The worker of the engine itself: workflows, bookkeeping, and steps that only wait. */

import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { Worker } from '@temporalio/worker'
import { installationRoot } from '#core/execution'
import { datasetActivities } from '../activities/datasets.ts'
import { rolloutActivities } from '../activities/serving.ts'
import type { Composition } from './compose.ts'
import type { WorkerConfig } from './config.ts'

export async function createPipelineWorker(config: WorkerConfig, parts: Composition): Promise<Worker> {
  return Worker.create({
    connection: parts.connection,
    namespace: config.temporal.namespace,
    taskQueue: 'gyre-pipeline',
    workflowBundle: { code: await readFile(path.join(installationRoot(), 'dist/workflow-bundle.js'), 'utf8') },
    activities: {
      ...parts.bookkeeping,
      'snapshot-dataset': datasetActivities(parts.stepPorts, parts.inThread)['snapshot-dataset']!,
      ...rolloutActivities(parts.stepPorts, parts.services),
    },
    maxHeartbeatThrottleInterval: config.heartbeatThrottleMs,
    defaultHeartbeatThrottleInterval: config.heartbeatThrottleMs,
    shutdownGraceTime: config.shutdownGraceMs,
  })
}
