/**
 * From a trigger whose time has come to a run that is ready to be launched.
 *
 * F1  The run's id is derived from pipeline, trigger and cause: a fire that is retried, and a webhook that is delivered
 *     twice, start one run.
 */

import { isPlatformError } from '#core/errors'
import { prepareRun, type PlanningPorts } from '#core/planning'
import { lastGeneration, openGeneration, readOutcome, type RunCause, type RunRecord } from '#core/runs'
import { digestJson, pointerHistory, type ObjectStore } from '#core/storage'
import { lookForCause, type Cause, type CausePorts } from './causes.ts'
import { describeTrigger, type NamedTrigger } from './definitions.ts'
import { recordFire } from './fires.ts'

export interface FireRequest {
  readonly pipeline: string
  readonly trigger: NamedTrigger
  /** ISO 8601: when it was due. */
  readonly due: string
  /** ISO 8601: when it was begun with. */
  readonly startedAt: string
  /** What a webhook brought. */
  readonly delivery?: { readonly id: string; readonly params: Readonly<Record<string, unknown>> }
}

export interface PreparedFire {
  readonly record: RunRecord
  readonly generation: number
}

export type FirePorts = PlanningPorts & CausePorts

/**
 * @returns the run to launch; null where there is no reason to start, the run had its start before, or the pipeline cannot
 *   be started, which is then recorded.
 */
export async function prepareFire(ports: FirePorts, request: FireRequest): Promise<PreparedFire | null> {
  const { store } = ports
  const { pipeline, trigger, due, delivery } = request
  const cause = await causeOf(ports, request)
  if (!cause) return null
  const id = digestJson({ pipeline, trigger: trigger.name, key: cause.key }).slice(0, 8)
  const told: RunCause = { kind: cause.kind, text: cause.text, trigger: trigger.name }
  const fire = { pipeline, trigger: trigger.name, at: due, cause: told }
  const run = runId(pipeline, due, id, cause)
  try {
    const params = { ...trigger.params, ...delivery?.params }
    const record = await prepareRun(ports, { pipeline, params, by: `trigger:${trigger.name}`, runId: run, cause: told })
    const generation = (await lastGeneration(store, run)) || (await openGeneration(store, run, record.by))
    await recordFire(store, id, { ...fire, run, problem: null })
    await cause.settle()
    return (await readOutcome(store, run, generation)) ? null : { record, generation }
  } catch (error) {
    if (!isPlatformError(error) || error.retryable) throw error
    await recordFire(store, id, { ...fire, run: null, problem: error.message })
    return null
  }
}

async function causeOf(ports: FirePorts, { pipeline, trigger, due, startedAt, delivery }: FireRequest) {
  const settle = async () => {}
  if (trigger.kind === 'webhook') {
    const text = delivery ? `delivery ${delivery.id}` : 'fired by hand'
    return { kind: trigger.kind, text, key: delivery?.id ?? due, settle } satisfies Cause
  }
  if (trigger.kind !== 'schedule') return lookForCause(ports, pipeline, trigger, Date.parse(startedAt))
  const backfill = await isBackfill(ports.store, pipeline, trigger.name, due, startedAt)
  const text = `${describeTrigger(trigger)}, due ${due.slice(0, 19).replace('T', ' ')} UTC`
  return { kind: backfill ? 'backfill' : 'schedule', text, key: due, settle } satisfies Cause
}

/** A span of past times that somebody asked to be made up for. */
export interface Backfill {
  /** ISO 8601, both included. */
  readonly from: string
  readonly to: string
}

export const backfillLog = (pipeline: string, trigger: string): string => `triggers/${pipeline}/${trigger}/backfills`

/** A start that comes after a backfill was asked for, for a time that it spans. */
async function isBackfill(store: ObjectStore, pipeline: string, trigger: string, due: string, startedAt: string) {
  const asked = await pointerHistory<Backfill>(store, backfillLog(pipeline, trigger))
  return asked.some(
    ({ value: { from, to }, at }) =>
      from <= due && due <= to && due < at && Date.parse(at) <= Date.parse(startedAt) + 60_000,
  )
}

const PIPELINE_CHARACTERS = 50

/** `nightly-20261123-030000-3fa91c20` for times; what has no time of its own is named by its cause alone (F1). */
function runId(pipeline: string, due: string, id: string, { kind }: Pick<Cause, 'kind'>): string {
  const stem = pipeline.slice(0, PIPELINE_CHARACTERS).replace(/-+$/, '')
  if (kind !== 'schedule' && kind !== 'backfill') return `${stem}-${kind}-${id}`
  const at = due.replaceAll(/[-:]/g, '')
  return `${stem}-${at.slice(0, 8)}-${at.slice(9, 15)}-${id}`
}
