/** The model registry. */

import { createStepActivity, type RunBody, type StepActivity, type StepPorts } from './step.ts'

export function registryActivities(ports: StepPorts, inThread: RunBody): Record<string, StepActivity> {
  return { 'register-model': createStepActivity(ports, inThread) }
}
