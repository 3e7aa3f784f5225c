/** Fills the ports of the HTTP server from the core modules: the only place where they meet. */

import { thumbnail } from '#core/images'
import type { Engine } from '#core/runs'
import { blobKey, type ObjectStore } from '#core/storage'
import { batchesOf } from './adapters/batches.ts'
import { datasetsOf } from './adapters/datasets.ts'
import { endpointsOf } from './adapters/endpoints.ts'
import { identityOf } from './adapters/identity.ts'
import { modelsOf } from './adapters/models.ts'
import { sessionsOf } from './adapters/sessions.ts'
import type { ApiPorts } from './ports.ts'

export interface Parts {
  readonly store: ObjectStore
  readonly engine: Engine
  /** The key of the state folder; null where people log in by name only. */
  readonly ownerToken: string | null
  readonly gatewayUrl: string | null
  readonly uploadsDir: string
}

export function composePorts({ store, engine, ownerToken, gatewayUrl, uploadsDir }: Parts): ApiPorts {
  return {
    engine,
    identity: identityOf(store, ownerToken),
    datasets: datasetsOf(store),
    sessions: sessionsOf(store),
    models: modelsOf(store),
    endpoints: endpointsOf(store, gatewayUrl),
    batches: batchesOf(store, engine, uploadsDir),
    blob: (sha256) => store.get(blobKey(sha256)),
    thumbnail,
  }
}
