/** What the job runner reads of Jobs and Pods: the fields of Kubernetes' own types, and no more. */

import type { KubeObject } from './api.ts'

export interface Condition {
  readonly type: string
  readonly status: string
  readonly reason?: string
  readonly message?: string
  readonly lastTransitionTime?: string
}

export interface JobObject extends KubeObject {
  readonly spec?: { readonly suspend?: boolean }
  readonly status?: {
    readonly active?: number
    readonly failed?: number
    readonly conditions?: readonly Condition[]
  }
}

export interface ContainerStatus {
  readonly name: string
  readonly state?: {
    readonly waiting?: { readonly reason?: string; readonly message?: string }
    readonly running?: { readonly startedAt?: string }
    readonly terminated?: { readonly exitCode: number; readonly reason?: string; readonly message?: string }
  }
}

export interface PodObject extends KubeObject {
  readonly spec?: { readonly nodeName?: string }
  readonly status?: {
    readonly phase?: 'Pending' | 'Running' | 'Succeeded' | 'Failed' | 'Unknown'
    readonly reason?: string
    readonly message?: string
    /** When the kubelet took it. */
    readonly startTime?: string
    readonly conditions?: readonly Condition[]
    readonly initContainerStatuses?: readonly ContainerStatus[]
    readonly containerStatuses?: readonly ContainerStatus[]
  }
}

/** The condition of that type if it holds. */
export function conditionOf(object: JobObject | PodObject, type: string): Condition | undefined {
  return object.status?.conditions?.find((condition) => condition.type === type && condition.status === 'True')
}

/** Init containers first, as they run. */
export function containersOf({ status }: PodObject): readonly ContainerStatus[] {
  return [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])]
}

/** Of the command's own container; null while it has not ended. */
export function terminationOf(pod: PodObject) {
  return pod.status?.containerStatuses?.[0]?.state?.terminated ?? null
}

/** What a watch remembers of a Job: not its template, which is the largest part. */
export function keepOfJob({ metadata, spec, status }: JobObject): JobObject {
  return {
    metadata: keepOfMetadata(metadata),
    ...(spec?.suspend === undefined ? {} : { spec: { suspend: spec.suspend } }),
    ...(status ? { status } : {}),
  }
}

export function keepOfPod({ metadata, spec, status }: PodObject): PodObject {
  return {
    metadata: keepOfMetadata(metadata),
    ...(spec?.nodeName ? { spec: { nodeName: spec.nodeName } } : {}),
    ...(status ? { status } : {}),
  }
}

function keepOfMetadata(metadata: KubeObject['metadata']): KubeObject['metadata'] {
  const { name, uid, resourceVersion, creationTimestamp, deletionTimestamp, labels, annotations } = metadata
  return {
    name,
    ...(uid ? { uid } : {}),
    ...(resourceVersion ? { resourceVersion } : {}),
    ...(creationTimestamp ? { creationTimestamp } : {}),
    ...(deletionTimestamp ? { deletionTimestamp } : {}),
    ...(labels ? { labels } : {}),
    ...(annotations ? { annotations } : {}),
  }
}
