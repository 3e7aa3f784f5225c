/** The worker of everything that computes: each body in a thread or a job of its own, two at a time. */

import os from 'node:os'
import { Worker } from '@temporalio/worker'
import { batchActivities } from '../activities/batch.ts'
import { containerActivities } from '../activities/containers.ts'
import { datasetActivities } from '../activities/datasets.ts'
import { labellingActivities } from '../activities/labelling.ts'
import { mapActivities } from '../activities/maps.ts'
import { ownStepActivities } from '../activities/own-steps.ts'
import { registryActivities } from '../activities/registry.ts'
import { servingActivities } from '../activities/serving.ts'
import { trainingActivities } from '../activities/training.ts'
import { workerDataConverter } from '../infra/temporal/index.ts'
import type { Composition } from './compose.ts'
import type { WorkerConfig } from './config.ts'

/** Labelling sessions wait for people most of the time, so more activities are taken than there are cores. */
const WAITING_SESSIONS = 16

/** @param queue - the class of machine that this one is: steps that ask for GPUs go to `gyre-gpu` alone. */
export function createComputeWorker(
  queue: 'gyre-cpu' | 'gyre-gpu',
  config: WorkerConfig,
  { connection, stepPorts, inThread, warm, asJob, asContainer, asTraining, inThreadOrJob }: Composition,
): Promise<Worker> {
  return Worker.create({
    connection,
    namespace: config.temporal.namespace,
    dataConverter: workerDataConverter(config.temporal),
    taskQueue: queue,
    activities: {
      ...datasetActivities(stepPorts, inThread),
      ...labellingActivities(stepPorts, inThread, inThreadOrJob),
      ...trainingActivities(stepPorts, { inThread, asJob, asTraining }),
      ...registryActivities(stepPorts, inThread),
      ...servingActivities(stepPorts, inThread),
      ...batchActivities(stepPorts, inThread),
      ...ownStepActivities(stepPorts, warm),
      ...mapActivities(stepPorts, warm),
      ...containerActivities(stepPorts, asContainer),
    },
    maxConcurrentActivityTaskExecutions: os.availableParallelism() + WAITING_SESSIONS,
    maxHeartbeatThrottleInterval: config.heartbeatThrottleMs,
    defaultHeartbeatThrottleInterval: config.heartbeatThrottleMs,
    shutdownGraceTime: config.shutdownGraceMs,
    ...(config.deployment && { workerDeploymentOptions: config.deployment }),
  })
}
