/** How a test's installation uses its cluster. */

import type { ClusterSettings, KubeApi } from '../../core/compute/kubernetes/api.ts'

export function clusterSettings(api: KubeApi, changes: Partial<ClusterSettings> = {}): ClusterSettings {
  return {
    api,
    images: { worker: 'localhost/gyre-worker:test', inference: 'localhost/gyre-inference:test' },
    storeSecret: 'gyre-store',
    podEnv: {},
    store: { uri: 's3://bucket', project: 'default' },
    queueName: null,
    ...changes,
  }
}
