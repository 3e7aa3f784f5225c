/**
 * Rolls a model out behind an endpoint: a new revision is started and warmed beside the former one, then traffic moves,
 * all of it or a canary's share; the former revision stays warm for ten minutes, so that moving back is instant. Any part may be repeated after a
 * crash: the same model with the same settings is the same revision.
 */

import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import type { RevisionSpec, RevisionStatus, ServiceHost } from '#core/compute'
import { isPlatformError, PlatformError, type ErrorCode } from '#core/errors'
import type { Progress, StepContext } from '#core/execution'
import type { deployEndpoint as definition, Endpoint, StepInput } from '#core/steps'
import type { ObjectStore } from '#core/storage'
import { liveRevisions, readTraffic, revisionNumbers, revisionRecord, sameSpec } from './endpoints.ts'
import { canaryShares } from './shift.ts'

type Context = Pick<StepContext, 'store' | 'signal' | 'progress'>
type RevisionSettings = Omit<RevisionSpec, 'revision'>

const POLL_MS = 100
const AWAY: readonly ErrorCode[] = ['GATEWAY_UNAVAILABLE', 'CLUSTER_UNAVAILABLE']
/** A gateway or an API server that does not answer may be restarting. */
const HOST_PATIENCE_MS = 60_000

/** @throws {PlatformError} `ENDPOINT_NOT_READY` when a replica cannot start; `GATEWAY_UNAVAILABLE`. */
export async function deployEndpoint(
  input: StepInput<typeof definition>,
  ctx: Context,
  services: ServiceHost,
): Promise<Endpoint> {
  const { name, version, digest } = input.model
  const { algorithm, canaryPercent } = input
  return rollOut(
    {
      endpoint: input.name,
      model: { name, version, digest },
      replicas: input.replicas,
      queueLimit: input.queueLimit,
      captureBytes: input.captureDataset ? input.captureBytes : 0,
      captureDataset: input.captureDataset ?? null,
      algorithm: algorithm ? { bundle: algorithm.bundle.sha256, params: jsonParams(algorithm.params) } : null,
    },
    ctx,
    services,
    canaryPercent,
  )
}

function jsonParams(params: Readonly<Record<string, unknown>>) {
  return z.record(z.string(), z.json()).parse(params)
}

/**
 * As `deployEndpoint`, for any settings.
 *
 * @param canaryPercent - the share that the new revision takes from the main one; all where left out.
 */
export async function rollOut(
  settings: RevisionSettings,
  ctx: Context,
  services: ServiceHost,
  canaryPercent = 100,
): Promise<Endpoint> {
  const { endpoint } = settings
  const revision = await applyRevision(settings, ctx.store, services)
  try {
    await waitUntilReady(endpoint, revision, ctx, services)
  } catch (error) {
    // Nobody else will end replicas that can never start.
    if (isPlatformError(error) && error.code === 'ENDPOINT_NOT_READY') await services.retire(endpoint, revision)
    throw error
  }
  const now = (await readTraffic(ctx.store, endpoint))?.value ?? {}
  await services.setTraffic(
    endpoint,
    canaryPercent < 100 ? canaryShares(now, revision, canaryPercent) : { [revision]: 100 },
  )
  return { kind: 'endpoint', name: endpoint, revision, url: await services.url(endpoint) }
}

/** Finds the revision with these settings, or takes the next number, whoever else deploys at the same time. */
async function applyRevision(settings: RevisionSettings, store: ObjectStore, services: ServiceHost): Promise<number> {
  for (;;) {
    const live = await liveRevisions(store, settings.endpoint)
    const same = live.findLast((record) => sameSpec(record, withNumber(settings, record.revision)))
    const revision = same?.revision ?? ((await revisionNumbers(store, settings.endpoint)).at(-1) ?? 0) + 1
    try {
      await services.apply({ ...settings, revision })
      return revision
    } catch (error) {
      if (!isPlatformError(error) || error.code !== 'ENDPOINT_CONFLICT') throw error
    }
  }
}

function withNumber(settings: RevisionSettings, revision: number) {
  return revisionRecord.omit({ createdAt: true }).parse({ algorithm: null, ...settings, revision })
}

async function waitUntilReady(
  endpoint: string,
  revision: number,
  { signal, progress }: Context,
  services: ServiceHost,
): Promise<void> {
  let lastAnswerAt = performance.now()
  let told = ''
  for (;;) {
    signal.throwIfAborted()
    const status = await services.status(endpoint).catch((error: unknown) => {
      const isAway = isPlatformError(error) && AWAY.includes(error.code)
      if (!isAway || performance.now() - lastAnswerAt > HOST_PATIENCE_MS) throw error
      return null
    })
    if (status) lastAnswerAt = performance.now()
    const news = progressOf(status, endpoint, revision)
    if (JSON.stringify(news) !== told) progress(news)
    told = JSON.stringify(news)
    if (news.done === news.total) return
    await delay(POLL_MS, undefined, { signal })
  }
}

/** @throws {PlatformError} `ENDPOINT_NOT_READY` when a replica says that it cannot start. */
function progressOf(status: readonly RevisionStatus[] | null, endpoint: string, revision: number): Progress {
  if (!status) return { done: 0, unit: 'replicas', note: 'waiting for the gateway' }
  const mine = status.find((one) => one.revision === revision)
  if (!mine) return { done: 0, unit: 'replicas' }
  if (mine.trouble !== null)
    throw new PlatformError(
      'ENDPOINT_NOT_READY',
      `revision ${revision} of endpoint ${endpoint} cannot start: ${mine.trouble}`,
      { endpoint, revision },
    )
  const progress = { done: Math.min(mine.ready, mine.wanted), total: mine.wanted, unit: 'replicas' }
  return mine.waiting === null ? progress : { ...progress, note: mine.waiting }
}
