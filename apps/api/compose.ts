/** Fills the ports of the HTTP server from the core modules: the only place where they meet. */

import { thumbnail } from '#core/images'
import type { Engine } from '#core/runs'
import { blobKey, type ObjectStore } from '#core/storage'
import { approvalsOf } from './adapters/approvals.ts'
import { batchesOf } from './adapters/batches.ts'
import { blobsOf } from './adapters/blobs.ts'
import { certificatesOf } from './adapters/certificates.ts'
import { datasetCatalogOf } from './adapters/dataset-catalog.ts'
import { healthOf } from './adapters/dataset-health.ts'
import { datasetVersionsOf } from './adapters/dataset-versions.ts'
import { neighboursOf, streamsOf } from './adapters/dataset-neighbours.ts'
import { datasetsOf } from './adapters/datasets.ts'
import { endpointsOf } from './adapters/endpoints.ts'
import { createDoorkeeper } from '#core/identity'
import { identityOf } from './adapters/identity.ts'
import { keepCatalogs } from './adapters/kept-catalogs.ts'
import { peopleOf } from './adapters/people.ts'
import { modelsOf } from './adapters/models.ts'
import { retentionOf } from './adapters/retention.ts'
import { runDetailsOf } from './adapters/run-details.ts'
import { sessionsOf } from './adapters/sessions.ts'
import { settingsOf } from './adapters/settings.ts'
import type { ApiPorts, TriggerPort } from './ports.ts'

export interface Parts {
  readonly store: ObjectStore
  readonly engine: Engine
  readonly triggers: TriggerPort
  /** The key of the state folder; null where people log in by name only. */
  readonly ownerToken: string | null
  readonly gatewayUrl: string | null
  readonly servicesOnCluster: boolean
  /** Where people reach this server, and with it the endpoints; left out: where the gateway answers. */
  readonly pageUrl?: string | null
  /** A local folder for catalogs of dataset versions; one of temporary files where left out. */
  readonly catalogDir?: string
  /** How long a login in a browser lasts; as `core/identity` says where left out. */
  readonly sessionMs?: number
}

export function composePorts(parts: Parts): ApiPorts {
  const { store, engine, triggers, ownerToken, gatewayUrl, servicesOnCluster, pageUrl = null, sessionMs } = parts
  const catalogs = keepCatalogs(store, parts.catalogDir === undefined ? {} : { cacheDir: parts.catalogDir })
  const doorkeeper = createDoorkeeper(store, { door: 'api' })
  return {
    engine,
    approvals: approvalsOf(store, engine),
    triggers,
    runDetails: runDetailsOf(store, engine),
    blobs: blobsOf(store),
    identity: identityOf(store, { doorkeeper, ownerToken, ...(sessionMs && { sessionMs }) }),
    people: peopleOf(store, doorkeeper),
    settings: settingsOf(store),
    datasets: datasetsOf(store, catalogs),
    catalog: datasetCatalogOf(store, catalogs),
    neighbours: neighboursOf(store),
    versions: datasetVersionsOf(store),
    health: healthOf(store, engine),
    retention: retentionOf(store, engine),
    streams: streamsOf(store),
    sessions: sessionsOf(store),
    certificates: certificatesOf(store),
    models: modelsOf(store),
    endpoints: endpointsOf(store, { gatewayUrl, shownUrl: pageUrl, onCluster: servicesOnCluster }),
    batches: batchesOf(store, engine),
    blob: (sha256) => store.get(blobKey(sha256)),
    thumbnail,
  }
}
