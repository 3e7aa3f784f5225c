/** Steps of users' own. Small ones are many, so their threads are kept warm. */

import { createStepActivity, type RunBody, type StepActivity, type StepPorts } from './step.ts'

export function ownStepActivities(ports: StepPorts, warm: RunBody): Record<string, StepActivity> {
  return { 'user-step': createStepActivity(ports, warm) }
}
