/** Trainings run as jobs of their own, under the trainer contract; evaluation in a thread. */

import { createStepActivity, type RunBody, type StepActivity, type StepPorts } from './step.ts'

/** @param asTraining - a program of `apps/trainer`, as a job. */
export function trainingActivities(
  ports: StepPorts,
  { inThread, asJob, asTraining }: { inThread: RunBody; asJob: RunBody; asTraining: RunBody },
): Record<string, StepActivity> {
  return {
    'train-embedder': createStepActivity(ports, asTraining),
    'train-classifier': createStepActivity(ports, asJob),
    evaluate: createStepActivity(ports, inThread),
  }
}
