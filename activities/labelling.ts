/** From images to certified labels: embed, cluster, and host the session in which people (or a simulation) answer. */

import { createStepActivity, type RunBody, type StepActivity, type StepPorts } from './step.ts'

export function labellingActivities(ports: StepPorts, inThread: RunBody): Record<string, StepActivity> {
  return {
    'embed-images': createStepActivity(ports, inThread),
    'cluster-embeddings': createStepActivity(ports, inThread),
    annotate: createStepActivity(ports, inThread),
  }
}
