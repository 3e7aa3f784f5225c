/** Dataset management: import, snapshot, and taking in what endpoints captured. */

import { createStepActivity, type RunBody, type StepActivity, type StepPorts } from './step.ts'

export function datasetActivities(ports: StepPorts, inThread: RunBody): Record<string, StepActivity> {
  return {
    'import-images': createStepActivity(ports, inThread),
    'export-dataset': createStepActivity(ports, inThread),
    'import-annotations': createStepActivity(ports, inThread),
    'snapshot-dataset': createStepActivity(ports, inThread),
    'check-health': createStepActivity(ports, inThread),
    'select-images': createStepActivity(ports, inThread),
    'index-neighbours': createStepActivity(ports, inThread),
    'collect-captured': createStepActivity(ports, inThread),
    'collect-garbage': createStepActivity(ports, inThread),
    'delete-image': createStepActivity(ports, inThread),
    'verify-dataset': createStepActivity(ports, inThread),
  }
}
