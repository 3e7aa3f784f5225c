/** Training runs as a job of its own, under the trainer contract; evaluation in a thread. */

import { createStepActivity, type RunBody, type StepActivity, type StepPorts } from './step.ts'

export function trainingActivities(ports: StepPorts, inThread: RunBody, asJob: RunBody): Record<string, StepActivity> {
  return {
    'train-classifier': createStepActivity(ports, asJob),
    evaluate: createStepActivity(ports, inThread),
  }
}
