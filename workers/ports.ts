/** Which adapters stand behind the ports: processes of this machine, or a cluster. */

import { createProcessJobRunner, createProcessServiceHost, type ServiceHost } from '#core/compute'
import { entryPoint, type JobHost, type TrainingHost } from '#core/execution'
import type { Logger } from '#core/log'
import type { ObjectStore } from '#core/storage'
import type { WorkerConfig } from './config.ts'
import { trainerInImage, trainerOfThisMachine } from './trainer.ts'

export interface ComputePorts {
  /** Runs built-in steps as jobs. */
  readonly jobHost: JobHost
  /** How programs of `apps/trainer` are started there. */
  readonly trainer: TrainingHost['trainer']
  readonly services: ServiceHost
}

export async function openPorts(config: WorkerConfig, store: ObjectStore, log: Logger): Promise<ComputePorts> {
  const usesCluster = config.compute === 'kubernetes' || config.services === 'kubernetes'
  const cluster = usesCluster ? await clusterParts(config, store, log) : null
  return {
    jobHost:
      cluster && config.compute === 'kubernetes'
        ? { jobs: cluster.jobs(), store, command: ['node', '/app/dist/job.js'], resources: { cpu: '500m' } }
        : {
            jobs: createProcessJobRunner({ directory: config.jobsDir, store, log }),
            store,
            command: [process.execPath, entryPoint('job')],
          },
    trainer: (program) =>
      config.compute === 'kubernetes'
        ? trainerInImage(program, config.trainer.image)
        : trainerOfThisMachine(program, config.trainer),
    services:
      cluster && config.services === 'kubernetes'
        ? cluster.services()
        : createProcessServiceHost({ store, gatewayUrl: config.gatewayUrl }),
  }
}

async function clusterParts(config: WorkerConfig, objects: ObjectStore, log: Logger) {
  const { openCluster, createKubernetesJobRunner, createKubernetesServiceHost } =
    await import('#adapter/compute/kubernetes/index')
  const settings = await openCluster(config.cluster)
  return {
    jobs: () => createKubernetesJobRunner({ ...settings, objects, log }),
    services: () => createKubernetesServiceHost({ ...settings, objects, log, endpointUrl: config.endpointUrl }),
  }
}
