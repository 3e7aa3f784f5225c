/** The service port's twin for tests: the whole contract, no process. Replicas are ready as soon as they are asked for. */

import { PlatformError } from '#core/errors'
import { closeEndpoint, createRevision, liveRevisions, markRetired, ShareSchedule, writeTraffic } from '#core/serving'
import { createMemoryStore, type ObjectStore } from '#core/storage'
import type { RevisionStatus, ServiceHost, Traffic } from './services.ts'

export interface FakeServiceHost extends ServiceHost {
  /** The revision that a request would reach now. @throws {PlatformError} `ENDPOINT_NOT_FOUND` without traffic. */
  route(endpoint: string): number
}

/** @param options - `unusableModels`: digests of models whose replicas never become ready. */
export function createFakeServiceHost(
  options: { store?: ObjectStore; unusableModels?: ReadonlySet<string> } = {},
): FakeServiceHost {
  const store = options.store ?? createMemoryStore('fake-services')
  const traffic = new Map<string, Traffic>()
  const schedules = new Map<string, ShareSchedule>()

  async function status(endpoint: string): Promise<RevisionStatus[]> {
    return (await liveRevisions(store, endpoint)).map(({ revision, replicas, model }) => {
      const usable = !options.unusableModels?.has(model.digest)
      const trouble = usable ? null : `model ${model.name}@${model.version} cannot be loaded`
      return { revision, wanted: replicas, ready: usable ? replicas : 0, trouble, waiting: null }
    })
  }

  return {
    async apply(spec) {
      await createRevision(store, spec)
    },
    async setTraffic(endpoint, shares) {
      await writeTraffic(store, endpoint, shares, 'rollout')
      traffic.set(endpoint, shares)
    },
    status,
    retire: (endpoint, revision) => markRetired(store, endpoint, revision),
    async remove(endpoint) {
      await closeEndpoint(store, endpoint, 'remove')
      traffic.delete(endpoint)
    },
    url: () => Promise.resolve('http://fake.invalid'),
    reconcile: () => Promise.resolve(),
    route(endpoint) {
      const schedule = schedules.get(endpoint) ?? new ShareSchedule()
      schedules.set(endpoint, schedule)
      const shares = Object.entries(traffic.get(endpoint) ?? {}).map(
        ([revision, share]) => [Number(revision), share] as const,
      )
      const revision = schedule.next(new Map(shares))
      if (revision === null) throw new PlatformError('ENDPOINT_NOT_FOUND', `endpoint ${endpoint} has no traffic`)
      return revision
    },
  }
}
