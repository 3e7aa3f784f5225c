/**
 * Keeps the schedules of Temporal in step with the triggers of the pipelines, and says what a person wants of one: pause,
 * resume, backfill, fire now. Paused is what a person decided and stays so, whatever the definition becomes.
 */

import {
  ScheduleNotFoundError,
  type Client,
  type ScheduleOptions,
  type ScheduleOverlapPolicy,
  type ScheduleSpec,
  WorkflowExecutionAlreadyStartedError,
} from '@temporalio/client'
import { PlatformError } from '#core/errors'
import type { Logger } from '#core/log'
import { signatureTrouble } from '#core/notify'
import type { Overlap } from '#core/pipeline'
import { availablePipelines, type PlanningPorts } from '#core/planning'
import { digestJson, movePointer } from '#core/storage'
import {
  backfillLog,
  describeTrigger,
  hookSecret,
  lastFire,
  listFires,
  newHookSecret,
  spanMs,
  triggerNotFound,
  triggersOf,
  type NamedTrigger,
} from '#core/triggers'
import type { FireArgs } from '../../workflows/fire.ts'
import type { fire } from '../../workflows/index.ts'
import type { RunSettings } from '../../workflows/types.ts'
import type { HookDelivery, TriggerPort } from './ports.ts'

export interface TriggerOptions extends PlanningPorts {
  readonly client: Client
  readonly settings: RunSettings
  /** The key that secrets of webhooks are derived from; null where there is none, and webhooks are refused. */
  readonly hookKey: string | null
  readonly log: Logger
}

export interface Triggers extends TriggerPort {
  /** Creates, changes and removes schedules until they are what the definitions say. */
  reconcile(): Promise<void>
}

/** How often triggers on data look. */
const LOOK_MS = 60_000
const CATCH_UP = '1h'
const FIRES_SHOWN = 50

const OVERLAP: Readonly<Record<Overlap, ScheduleOverlapPolicy>> = {
  skip: 'SKIP',
  'buffer-one': 'BUFFER_ONE',
  'buffer-all': 'BUFFER_ALL',
  'cancel-other': 'CANCEL_OTHER',
  'allow-all': 'ALLOW_ALL',
}

interface Placed {
  readonly pipeline: string
  readonly trigger: NamedTrigger
}

export function createTriggers(options: TriggerOptions): Triggers {
  const { client, store, settings, hookKey, log } = options
  const { project } = settings
  const prefix = `gyre:${project}:`
  const handleOf = (pipeline: string, trigger: string) => client.schedule.getHandle(`${prefix}${pipeline}:${trigger}`)

  async function placed(): Promise<readonly Placed[]> {
    const pipelines = await availablePipelines(options)
    return [...pipelines.values()].flatMap(({ definition }) =>
      triggersOf(definition).map((trigger) => ({ pipeline: definition.name, trigger })),
    )
  }

  async function find(pipeline: string, name: string): Promise<NamedTrigger> {
    const found = (await placed()).find((one) => one.pipeline === pipeline && one.trigger.name === name)
    return found?.trigger ?? triggerNotFound(pipeline, name)
  }

  /** A trigger whose schedule is not there yet gets it now. */
  async function scheduleOf(pipeline: string, name: string) {
    const trigger = await find(pipeline, name)
    await reconcileOne({ pipeline, trigger })
    return { trigger, handle: handleOf(pipeline, name) }
  }

  async function reconcileOne(one: Placed): Promise<void> {
    const handle = handleOf(one.pipeline, one.trigger.name)
    const wanted = scheduleFor(handle.scheduleId, one, settings)
    try {
      const { action } = await handle.describe()
      if (digestJson(plain(action.args)) === digestJson(plain(wanted.action.args))) return
      await handle.update(({ state }) => ({ ...wanted, state }))
      log.info({ trigger: handle.scheduleId }, 'a trigger has changed')
    } catch (error) {
      if (!(error instanceof ScheduleNotFoundError)) throw error
      // Another API process may be as quick; then its schedule stands.
      await client.schedule.create(wanted).catch(ignoreTaken)
      log.info({ trigger: handle.scheduleId }, 'a trigger is looked after')
    }
  }

  return {
    async reconcile() {
      const all = await placed()
      for (const one of all) await reconcileOne(one)
      const wanted = new Set(all.map(({ pipeline, trigger }) => `${prefix}${pipeline}:${trigger.name}`))
      for await (const { scheduleId } of client.schedule.list())
        if (scheduleId.startsWith(prefix) && !wanted.has(scheduleId)) {
          await client.schedule.getHandle(scheduleId).delete().catch(ignoreMissing)
          log.info({ trigger: scheduleId }, 'a trigger is gone')
        }
    },

    async list() {
      return Promise.all(
        (await placed()).map(async ({ pipeline, trigger }) => {
          const description = await handleOf(pipeline, trigger.name).describe().catch(ignoreMissing)
          const last = await lastFire(store, pipeline, trigger.name)
          const next =
            trigger.kind === 'schedule' ? (description?.info.nextActionTimes[0]?.toISOString() ?? null) : null
          const paused = description?.state.paused ?? false
          const { name, kind } = trigger
          return { pipeline, name, kind, text: describeTrigger(trigger), paused, next: paused ? null : next, last }
        }),
      )
    },

    async fires(pipeline, name) {
      await find(pipeline, name)
      return listFires(store, pipeline, name, FIRES_SHOWN)
    },

    async pause(pipeline, name, by) {
      const { handle } = await scheduleOf(pipeline, name)
      await handle.pause(`paused by ${by}`)
    },

    async resume(pipeline, name, by) {
      const { handle } = await scheduleOf(pipeline, name)
      await handle.unpause(`resumed by ${by}`)
    },

    async fire(pipeline, name) {
      const { trigger, handle } = await scheduleOf(pipeline, name)
      await handle.trigger(overlapOf(trigger))
    },

    async backfill(pipeline, name, { from, to, by }) {
      const { trigger, handle } = await scheduleOf(pipeline, name)
      if (trigger.kind !== 'schedule')
        throw new PlatformError('INVALID_INPUT', `trigger "${name}" has no times; only schedules are made up for`)
      if (!(from < to))
        throw new PlatformError('INVALID_INPUT', `from ${from.toISOString()} is not before to ${to.toISOString()}`)
      const span = { from: from.toISOString(), to: to.toISOString() }
      await movePointer(store, backfillLog(pipeline, name), span, { by })
      // Temporal leaves out a time that is equal to the start.
      const start = new Date(from.getTime() - 1)
      await handle.backfill({ start, end: to, overlap: trigger.overlap === 'allow-all' ? 'ALLOW_ALL' : 'BUFFER_ALL' })
    },

    async newSecret(pipeline, name, by) {
      const trigger = await find(pipeline, name)
      if (trigger.kind !== 'webhook')
        throw new PlatformError('INVALID_INPUT', `trigger "${name}" is no webhook; it wants no secret`)
      if (hookKey === null)
        throw new PlatformError(
          'INVALID_INPUT',
          'GYRE_HOOK_KEY is not set, from which secrets of webhooks are made; set 32 random bytes or more',
        )
      return newHookSecret(store, hookKey, { project, pipeline, trigger: name }, { by })
    },

    async deliver(pipeline, name, delivery) {
      const place = { project, pipeline, trigger: name }
      const secret = hookKey === null ? null : await hookSecret(store, hookKey, place)
      refuseUnsigned(secret, delivery)
      const { trigger, handle } = await scheduleOf(pipeline, name)
      if ((await handle.describe()).state.paused)
        throw new PlatformError('WEBHOOK_REFUSED', `trigger "${name}" of ${pipeline} is paused`, { pipeline, name })
      const { id, params } = delivery
      await client.workflow
        .start<typeof fire>('fire', {
          workflowId: `${prefix}${pipeline}:${name}:${id}`,
          taskQueue: 'gyre-pipeline',
          workflowIdReusePolicy: 'REJECT_DUPLICATE',
          args: [{ pipeline, trigger, settings, delivery: { id, params } }],
          staticSummary: `${pipeline}: ${name}`,
        })
        .catch((error: unknown) => {
          if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error
        })
    },
  }
}

function scheduleFor(scheduleId: string, { pipeline, trigger }: Placed, settings: RunSettings) {
  const args: [FireArgs] = [{ pipeline, trigger, settings }]
  const isSchedule = trigger.kind === 'schedule'
  return {
    scheduleId,
    spec: specOf(trigger),
    policies: {
      overlap: overlapOf(trigger),
      catchupWindow: isSchedule ? spanMs(trigger.catchup ?? CATCH_UP) : LOOK_MS,
    },
    action: {
      type: 'startWorkflow',
      workflowType: 'fire',
      workflowId: scheduleId,
      taskQueue: 'gyre-pipeline',
      args,
      staticSummary: `${pipeline}: ${trigger.name}`,
    },
  } satisfies ScheduleOptions
}

function overlapOf(trigger: NamedTrigger): ScheduleOverlapPolicy {
  return trigger.kind === 'schedule' ? OVERLAP[trigger.overlap ?? 'skip'] : 'SKIP'
}

/** Webhooks have no times: their schedule is there to be paused and to be fired by hand. */
function specOf(trigger: NamedTrigger): ScheduleSpec {
  if (trigger.kind === 'webhook') return {}
  if (trigger.kind !== 'schedule') return { intervals: [{ every: LOOK_MS }] }
  if (trigger.cron) return { cronExpressions: [trigger.cron], timezone: trigger.timezone ?? 'UTC' }
  return { intervals: [{ every: spanMs(trigger.every!) }] }
}

function refuseUnsigned(secret: string | null, { signature, body }: HookDelivery): void {
  const nowSeconds = Math.floor(Date.now() / 1_000)
  // A made-up secret, so that nobody can tell a hook that is not there from one with another secret.
  const trouble = signatureTrouble(signature, { secret: secret ?? 'none', body, nowSeconds })
  if (trouble) throw new PlatformError('WEBHOOK_REFUSED', trouble)
  if (secret === null)
    throw new PlatformError('WEBHOOK_REFUSED', 'x-gyre-signature does not belong to this body and secret')
}

/** As JSON carries it: without fields that are undefined. */
const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

function ignoreTaken(error: unknown): void {
  if (!/already (running|exists)/i.test((error as Error).message)) throw error
}

function ignoreMissing(error: unknown): null {
  if (error instanceof ScheduleNotFoundError) return null
  throw error
}
