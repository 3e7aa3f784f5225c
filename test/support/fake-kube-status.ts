/** What the Job controller and the kubelet write: Pods of a Job, and how Pods and Jobs stand. */

import { randomUUID } from 'node:crypto'
import type { KubeJson } from './fake-kube-objects.ts'

/** How containers end; exit code 0 where left out. */
export interface Ending {
  readonly exitCode?: number
  /** `Completed` or `Error` by the exit code, else `OOMKilled`, … */
  readonly reason?: string
  /** The termination message. */
  readonly message?: string
  /** The reason of the Job's Failed condition: `PodFailurePolicy`, `BackoffLimitExceeded`, `DeadlineExceeded`. */
  readonly jobReason?: string
  readonly jobMessage?: string
  /** Conditions of the Pod, as DisruptionTarget. */
  readonly conditions?: readonly KubeJson[]
}

export function podForJob(job: KubeJson, overlay: KubeJson): KubeJson {
  const { name, uid, namespace } = job['metadata']
  const template = job['spec']?.template ?? {}
  const labels = { ...template.metadata?.labels, 'batch.kubernetes.io/job-name': name, 'job-name': name }
  return {
    kind: 'Pod',
    apiVersion: 'v1',
    spec: template.spec ?? { containers: [{ name: 'main', image: 'none' }] },
    status: { phase: 'Pending' },
    ...overlay,
    metadata: {
      ...template.metadata,
      name: `${name}-${randomUUID().slice(0, 5)}`,
      namespace,
      ...overlay['metadata'],
      labels: { ...labels, 'batch.kubernetes.io/controller-uid': uid, ...overlay['metadata']?.labels },
      ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name, uid, controller: true, blockOwnerDeletion: true }],
    },
  }
}

export function podStatus(pod: KubeJson, now: 'running' | Ending): KubeJson {
  const containers: KubeJson[] = pod['spec']?.containers ?? []
  const inits: KubeJson[] = pod['spec']?.initContainers ?? []
  const time = new Date().toISOString()
  const statusOf = ({ name, image }: KubeJson, state: KubeJson) => ({ name, image, restartCount: 0, state })
  const initContainerStatuses = inits.map((it) => statusOf(it, { terminated: { exitCode: 0, reason: 'Completed' } }))
  if (now === 'running')
    return {
      phase: 'Running',
      startTime: time,
      initContainerStatuses,
      containerStatuses: containers.map((it) => statusOf(it, { running: { startedAt: time } })),
    }
  const { exitCode = 0, reason = exitCode === 0 ? 'Completed' : 'Error', message, conditions } = now
  const terminated = { exitCode, reason, finishedAt: time, ...(message ? { message } : {}) }
  return {
    phase: exitCode === 0 ? 'Succeeded' : 'Failed',
    initContainerStatuses,
    containerStatuses: containers.map((it) => statusOf(it, { terminated })),
    ...(conditions ? { conditions } : {}),
  }
}

export function jobStatus(job: KubeJson, { exitCode = 0, jobReason, jobMessage }: Ending): KubeJson {
  const lastTransitionTime = new Date().toISOString()
  const conditions: KubeJson[] = job['status']?.conditions ?? []
  const reached = (type: string, reason: string | undefined, message: string | undefined) => [
    ...conditions,
    { type, status: 'True', lastTransitionTime, ...(reason ? { reason } : {}), ...(message ? { message } : {}) },
  ]
  if (exitCode === 0)
    return {
      active: 0,
      succeeded: 1,
      completionTime: lastTransitionTime,
      conditions: reached('Complete', jobReason, jobMessage),
    }
  const reason = jobReason ?? 'BackoffLimitExceeded'
  return { active: 0, failed: 1, conditions: reached('Failed', reason, jobMessage ?? `exit code ${exitCode}`) }
}
