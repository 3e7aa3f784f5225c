/** Roll-out, proof and end of endpoints. Rolling out waits on the service host and runs on the pipeline queue itself. */

import type { ServiceHost } from '#core/compute'
import type { BodyHooks, BodyRequest } from '#core/execution'
import { deployEndpoint } from '#core/serving'
import type { removeEndpoint, StepInput } from '#core/steps'
import { createStepActivity, type RunBody, type StepActivity, type StepPorts } from './step.ts'

export function servingActivities(ports: StepPorts, inThread: RunBody): Record<string, StepActivity> {
  return {
    'prove-endpoint': createStepActivity(ports, inThread),
    'check-drift': createStepActivity(ports, inThread),
  }
}

export function rolloutActivities(ports: StepPorts, services: ServiceHost): Record<string, StepActivity> {
  const rollOut = (request: BodyRequest, { signal, onProgress }: BodyHooks): Promise<unknown> =>
    deployEndpoint(
      request.input as Parameters<typeof deployEndpoint>[0],
      { store: ports.store, signal, progress: onProgress },
      services,
    )
  const remove = async (request: BodyRequest): Promise<unknown> => {
    const { name } = request.input as StepInput<typeof removeEndpoint>
    await services.remove(name)
    return { name }
  }
  return {
    'deploy-endpoint': createStepActivity(ports, rollOut),
    'remove-endpoint': createStepActivity(ports, remove),
  }
}
