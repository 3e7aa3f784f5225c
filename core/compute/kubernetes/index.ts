/** Jobs and services on Kubernetes: the adapters of both ports, over one small client of the API server. */

export {
  KubeError,
  LABELS,
  MANAGED_BY,
  type ClusterSettings,
  type KubeApi,
  type KubeConnection,
  type KubeObject,
} from './api.ts'
export { openKube } from './client.ts'
export { keepOfJob } from './job-objects.ts'
export { createKubernetesJobRunner } from './jobs.ts'
export { watchObjects } from './list-watch.ts'
export { checkCluster, refuseUnfitCluster, type ClusterFinding, type ClusterNeeds } from './preflight.ts'
export { createKubernetesServiceHost } from './services.ts'
export { openCluster, type ClusterOptions } from './settings.ts'
