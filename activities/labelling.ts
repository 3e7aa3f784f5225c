/** From images to certified labels: embed, cluster, and host the session in which people (or a simulation) answer. */

import { createStepActivity, type RunBody, type StepActivity, type StepPorts } from './step.ts'

/** @param inThreadOrJob - where embedding runs: a Pod of its own on a cluster. */
export function labellingActivities(
  ports: StepPorts,
  inThread: RunBody,
  inThreadOrJob: RunBody,
): Record<string, StepActivity> {
  return {
    'embed-images': createStepActivity(ports, inThreadOrJob),
    'cluster-embeddings': createStepActivity(ports, inThread),
    annotate: createStepActivity(ports, inThread),
  }
}
