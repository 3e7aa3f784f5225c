/** Counts what a run makes in a cluster: what the demo reports of it. */
import { LABELS, MANAGED_BY, watchObjects, type KubeObject } from '#adapter/compute/kubernetes/index'
import { openClusterOf } from '../../infra/local/index.ts'

export interface ClusterCounts {
  /** Jobs and Pods of this installation that were seen since the census began. */
  readonly jobs: number
  readonly pods: number
  /** Pods that are there now. */
  readonly podsAtEnd: number
}

export interface ClusterCensus {
  /** Counts, and watches no longer. */
  end(): ClusterCounts
}

/** @param state - path of the state folder, for a cluster that belongs to it. */
export async function takeCensus(env: NodeJS.ProcessEnv, state: string): Promise<ClusterCensus> {
  const api = await openClusterOf(env, state)
  const watch = (path: string) => {
    const seen = new Set<string>()
    const objects = watchObjects<KubeObject>({
      api,
      path: path.replace('*', api.namespace),
      labelSelector: `${LABELS.managedBy}=${MANAGED_BY}`,
      keep: ({ metadata: { name, uid = name } }) => ({ metadata: { name, uid } }),
    })
    objects.changed(({ object }) => seen.add(object.metadata.uid ?? object.metadata.name))
    return { seen, objects }
  }
  const jobs = watch('/apis/batch/v1/namespaces/*/jobs')
  const pods = watch('/api/v1/namespaces/*/pods')
  await Promise.all([jobs.objects.synced, pods.objects.synced])
  return {
    end() {
      const counts = { jobs: jobs.seen.size, pods: pods.seen.size, podsAtEnd: pods.objects.values().length }
      jobs.objects.stop()
      pods.objects.stop()
      return counts
    },
  }
}
