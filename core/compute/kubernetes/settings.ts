/** How an installation uses its cluster, from what its operators set. */

import { openKube, type OpenKubeOptions } from './client.ts'
import type { ClusterSettings } from './api.ts'

export interface ClusterOptions extends OpenKubeOptions {
  readonly images: ClusterSettings['images']
  readonly storeSecret: string
  readonly queueName: string | null
  readonly store: ClusterSettings['store']
  /** The S3 server's address as Pods reach it; null for AWS itself. */
  readonly storeEndpoint: string | null
  readonly region: string | null
}

/** @throws {PlatformError} `CLUSTER_UNAVAILABLE` when no cluster is configured. */
export async function openCluster(options: ClusterOptions): Promise<ClusterSettings> {
  const { images, storeSecret, queueName, store, storeEndpoint, region } = options
  return {
    api: await openKube(options),
    images,
    storeSecret,
    queueName,
    store,
    podEnv: {
      GYRE_STORE: store.uri,
      GYRE_PROJECT: store.project,
      ...(storeEndpoint && { AWS_ENDPOINT_URL_S3: storeEndpoint }),
      ...(region && { AWS_REGION: region }),
    },
  }
}
