/** Self-service image tasks, and steps of the user's own. */

import { createStepActivity, type RunBody, type StepActivity, type StepPorts } from './step.ts'

export function batchActivities(ports: StepPorts, inThread: RunBody): Record<string, StepActivity> {
  return {
    'run-batch-task': createStepActivity(ports, inThread),
    'user-step': createStepActivity(ports, inThread),
  }
}
