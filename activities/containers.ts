/** Steps of the user's own that are a command in an image. */

import { createStepActivity, type RunBody, type StepActivity, type StepPorts } from './step.ts'

export function containerActivities(ports: StepPorts, asContainer: RunBody): Record<string, StepActivity> {
  return { 'container-step': createStepActivity(ports, asContainer) }
}
