/**
 * Services on one machine: desired state goes to the store, `apps/gateway` starts replica processes until it is true.
 * While the gateway is away, everything but `status` still works; it catches up when it is back.
 */

import { PlatformError } from '#core/errors'
import { closeEndpoint, createRevision, markRetired, writeTraffic } from '#core/serving'
import type { ObjectStore } from '#core/storage'
import type { RevisionStatus, ServiceHost } from './services.ts'

const STATUS_TIMEOUT_MS = 10_000
/** A reconciliation waits for no replica, only for the store. */
const NUDGE_TIMEOUT_MS = 10_000
/** Longer than a replica drains. */
const SETTLE_TIMEOUT_MS = 90_000

/** @param options - `gatewayUrl`: where the gateway answers, as `http://127.0.0.1:8100`. */
export function createProcessServiceHost(options: { store: ObjectStore; gatewayUrl: string }): ServiceHost {
  const { store } = options
  const gatewayUrl = options.gatewayUrl.replace(/\/+$/, '')

  /** Asks the gateway to look at the store now; when it does not answer, it looks by itself soon or at its start. */
  async function nudge(what: 'reconcile' | 'settle' = 'reconcile'): Promise<void> {
    const signal = AbortSignal.timeout(what === 'settle' ? SETTLE_TIMEOUT_MS : NUDGE_TIMEOUT_MS)
    await fetch(`${gatewayUrl}/internal/${what}`, { method: 'POST', signal }).catch(() => undefined)
  }

  return {
    async apply(spec) {
      await createRevision(store, spec)
      await nudge()
    },
    async setTraffic(endpoint, traffic) {
      await writeTraffic(store, endpoint, traffic, 'rollout')
      await nudge()
    },
    async status(endpoint) {
      const signal = AbortSignal.timeout(STATUS_TIMEOUT_MS)
      const response = await fetch(`${gatewayUrl}/internal/endpoints/${endpoint}`, { signal }).catch(
        (cause: unknown) => {
          throw gatewayUnavailable(gatewayUrl, 'does not answer', cause)
        },
      )
      if (!response.ok) throw gatewayUnavailable(gatewayUrl, `answers ${response.status}`)
      return (await response.json()) as RevisionStatus[]
    },
    async retire(endpoint, revision) {
      await markRetired(store, endpoint, revision)
      await nudge()
    },
    async remove(endpoint) {
      await closeEndpoint(store, endpoint, 'remove')
      await nudge('settle')
    },
    url: () => Promise.resolve(gatewayUrl),
    reconcile: () => nudge(),
  }
}

function gatewayUnavailable(url: string, what: string, cause?: unknown): PlatformError {
  return new PlatformError(
    'GATEWAY_UNAVAILABLE',
    `the gateway at ${url} ${what}; start the stack with \`gyre dev\``,
    { url },
    { cause },
  )
}
