/** Self-service image tasks. */

import { createStepActivity, type RunBody, type StepActivity, type StepPorts } from './step.ts'

export function batchActivities(ports: StepPorts, inThread: RunBody): Record<string, StepActivity> {
  return { 'run-batch-task': createStepActivity(ports, inThread) }
}
