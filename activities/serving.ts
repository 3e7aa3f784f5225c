/** Roll-out and proof of endpoints. Rolling out waits on the service host and runs on the pipeline queue itself. */

import type { ServiceHost } from '#core/compute'
import type { BodyHooks, BodyRequest } from '#core/execution'
import { createLogger } from '#core/log'
import { deployEndpoint } from '#core/serving'
import { createStepActivity, type RunBody, type StepActivity, type StepPorts } from './step.ts'

export function servingActivities(ports: StepPorts, inThread: RunBody): Record<string, StepActivity> {
  return { 'prove-endpoint': createStepActivity(ports, inThread) }
}

export function rolloutActivities(ports: StepPorts, services: ServiceHost): Record<string, StepActivity> {
  const log = createLogger('rollout')
  const rollOut = (request: BodyRequest, hooks: BodyHooks): Promise<unknown> =>
    deployEndpoint(
      request.input as Parameters<typeof deployEndpoint>[0],
      {
        store: ports.store,
        runId: request.run,
        nodeId: request.node,
        attempt: request.attempt,
        scratchDir: request.scratchDir,
        signal: hooks.signal,
        log: log.child({ runId: request.run, nodeId: request.node }),
        progress: hooks.onProgress,
      },
      services,
    )
  return { 'deploy-endpoint': createStepActivity(ports, rollOut) }
}
