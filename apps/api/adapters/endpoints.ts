import { createProcessServiceHost, type RevisionStatus } from '#core/compute'
import { isPlatformError } from '#core/errors'
import { listEndpoints, predictImage, readGatewayUrl, type EndpointSummary } from '#core/serving'
import type { ObjectStore } from '#core/storage'
import type { EndpointPort } from '../ports.ts'
import type { EndpointView } from '../schemas.ts'

/** A person waits at the page: long enough for a replica that restarts, no longer. */
const PATIENCE_MS = 10_000

/** @param knownUrl - where the gateway answers; null: as it says in the store. */
export function endpointsOf(store: ObjectStore, knownUrl: string | null): EndpointPort {
  const gateway = async () => knownUrl ?? (await readGatewayUrl(store)) ?? 'http://127.0.0.1:8100'
  return {
    async list() {
      const [endpoints, url] = await Promise.all([listEndpoints(store), gateway()])
      const host = createProcessServiceHost({ store, gatewayUrl: url })
      return Promise.all(
        endpoints.map(async (endpoint) => {
          const status = await host.status(endpoint.name).catch(troubleOf)
          return toView(endpoint, url, status)
        }),
      )
    },
    async predict(name, image) {
      const { class: best, score } = await predictImage(await gateway(), name, image, { patienceMs: PATIENCE_MS })
      return [{ class: best, score }]
    },
  }
}

/** A gateway that is away is news about each of its endpoints, not a failure of the list. */
function troubleOf(error: unknown): string {
  if (isPlatformError(error)) return error.message
  throw error
}

function toView(
  { name, traffic, revisions }: EndpointSummary,
  url: string,
  status: readonly RevisionStatus[] | string,
): EndpointView {
  return {
    name,
    url,
    revisions: revisions.map(({ revision, model, replicas }) => {
      const live = typeof status === 'string' ? undefined : status.find((one) => one.revision === revision)
      return {
        revision,
        model: { name: model.name, version: model.version },
        wanted: live?.wanted ?? replicas,
        ready: live?.ready ?? 0,
        percent: traffic[revision] ?? 0,
        trouble: typeof status === 'string' ? status : (live?.trouble ?? null),
      }
    }),
  }
}
