import { createProcessServiceHost, type RevisionStatus, type Traffic } from '#core/compute'
import { isPlatformError } from '#core/errors'
import { resolveModel } from '#core/registry'
import {
  describeEndpoint,
  formerShares,
  liveRevisions,
  listEndpoints,
  predictImage,
  promotedShares,
  readGatewayUrl,
  readObserved,
  trafficHistory,
  writeTraffic,
  type EndpointSummary,
} from '#core/serving'
import { blobKey, type ObjectStore, type PointerEntry } from '#core/storage'
import type { EndpointPort } from '../ports.ts'
import type { EndpointView } from '../schemas.ts'

/** A person waits at the page: long enough for a replica that restarts, no longer. */
const PATIENCE_MS = 10_000

/** The newest states of the shares that are shown. */
const HISTORY_SHOWN = 20

export interface EndpointSettings {
  /** Where the gateway answers; null: as it says in the store. */
  readonly gatewayUrl: string | null
  /** What callers elsewhere use; null: the gateway itself. */
  readonly shownUrl: string | null
  /** Whether a cluster runs the replicas; then workers look at it, and what they saw is in the store. */
  readonly onCluster: boolean
}

export function endpointsOf(store: ObjectStore, { gatewayUrl, shownUrl, onCluster }: EndpointSettings): EndpointPort {
  const gateway = async () => gatewayUrl ?? (await readGatewayUrl(store)) ?? 'http://127.0.0.1:8100'
  const host = async () => createProcessServiceHost({ store, gatewayUrl: await gateway() })

  async function view(endpoint: EndpointSummary): Promise<EndpointView> {
    const status = onCluster
      ? ((await readObserved(store, endpoint.name)) ?? [])
      : await (await host()).status(endpoint.name).catch(troubleOf)
    return toView(endpoint, shownUrl ?? (await gateway()), status)
  }

  async function show(name: string) {
    const endpoint = await view(await describeEndpoint(store, name))
    const history = (await trafficHistory(store, name)).toReversed().slice(0, HISTORY_SHOWN)
    return { ...endpoint, history: history.map(({ at, by, value }) => ({ at, by, shares: { ...value } })) }
  }

  return {
    list: async () => Promise.all((await listEndpoints(store)).map(view)),
    show,
    async moveTraffic(name, to, by) {
      await describeEndpoint(store, name)
      await writeTraffic(store, name, sharesFor(name, to, await trafficHistory(store, name)), by)
      await (await host()).reconcile()
      return show(name)
    },
    async rollOut(name, { model: reference, algorithm, canaryPercent, ...wish }) {
      const { version, digest, name: modelName } = await resolveModel(store, reference)
      return {
        name,
        model: { kind: 'model-version', name: modelName, version, digest },
        ...(await settingsSoFar(store, name)),
        ...defined({ algorithm, canaryPercent, ...wish }),
      }
    },
    async predict(name, image) {
      const { class: best, score } = await predictImage(await gateway(), name, image, { patienceMs: PATIENCE_MS })
      return [{ class: best, score }]
    },
  }
}

function sharesFor(
  name: string,
  to: Traffic | 'promote' | 'back',
  history: readonly Pick<PointerEntry<Traffic>, 'value'>[],
): Traffic {
  if (to === 'back') return formerShares(name, history)
  return to === 'promote' ? promotedShares(name, history.at(-1)?.value ?? {}) : to
}

/** Those of the newest revision; none where the endpoint is new. */
async function settingsSoFar(store: ObjectStore, name: string) {
  const newest = (await liveRevisions(store, name)).at(-1)
  if (!newest) return {}
  const { replicas, queueLimit, captureBytes, captureDataset, algorithm } = newest
  return {
    replicas,
    queueLimit,
    captureBytes,
    ...(captureDataset !== null && { captureDataset }),
    ...(algorithm !== null && {
      algorithm: { bundle: await blobRefOf(store, algorithm.bundle), params: algorithm.params },
    }),
  }
}

async function blobRefOf(store: ObjectStore, sha256: string) {
  return { sha256, sizeBytes: (await store.head(blobKey(sha256)))?.sizeBytes ?? 0 }
}

function defined(values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined))
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
        waiting: live?.waiting ?? null,
      }
    }),
  }
}
