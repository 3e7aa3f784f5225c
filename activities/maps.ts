/** The parts of a map: opening it, its chunks, and joining what came of them. */

import path from 'node:path'
import { mkdir, rm } from 'node:fs/promises'
import { Context } from '@temporalio/activity'
import { closeMap, openMap, runChunk, type ChunkReport, type MapRequest, type Opened, type RunItems } from '#core/maps'
import type { Json } from '#core/plan'
import { remember } from '#core/reuse'
import { readNode, StepLog } from '#core/runs'
import { attended, keep, requestOf, type Attended, type RunBody, type StepPorts } from './step.ts'
import type { StepResult } from '../workflows/proxies.ts'
import type { MapCall } from '../workflows/types.ts'

export interface MapActivities {
  open(args: MapCall & { readonly input: Json }): Promise<Opened>
  /** Items [from, to) of those to be done. */
  chunk(
    args: MapCall & { readonly from: number; readonly to: number; readonly itemAttempts: number },
  ): Promise<ChunkReport>
  close(args: MapCall & { readonly atLeast: number }): Promise<StepResult>
}

export type NamedMapActivities = { readonly [K in keyof MapActivities as `map-${K}`]: MapActivities[K] }

/** @param warm - where the chunks of steps run, each in one thread. */
export function mapActivities(ports: StepPorts, warm: RunBody): NamedMapActivities {
  const { store } = ports
  return {
    'map-open': (args) => attended(ports, ({ signal }) => openMap(store, requestFor(args, args.input), signal)),
    'map-chunk': (args) =>
      attended(ports, (hooks) =>
        runChunk(store, requestFor(args), args, (items) => runItems(ports, warm, { ...args, items }, hooks)),
      ),
    'map-close': (args) => attended(ports, (hooks) => close(ports, args, hooks)),
  }
}

async function runItems(
  ports: StepPorts,
  warm: RunBody,
  { call, items, itemAttempts }: MapCall & { readonly items: Parameters<RunItems>[0]; readonly itemAttempts: number },
  hooks: Attended,
): ReturnType<RunItems> {
  const { info } = Context.current()
  const log = new StepLog({ store: ports.store, run: call.run, node: call.node, attempt: info.attempt })
  const request = requestOf(ports, { ...call, input: null }, info.attempt, info.scheduleToCloseTimeoutMs)
  const scratchDir = `${request.scratchDir}.${info.activityId}`
  try {
    const given = await warm(
      { ...request, scratchDir, items, itemAttempts },
      { ...hooks, onSession: () => undefined, onLog: (line) => log.write(line) },
    )
    return given as Awaited<ReturnType<RunItems>>
  } finally {
    await log.close()
  }
}

async function close(
  ports: StepPorts,
  args: MapCall & { readonly atLeast: number },
  { signal }: Attended,
): Promise<StepResult> {
  const { info } = Context.current()
  const call = { ...args.call, input: null }
  const done = async (output: Json, origin: StepResult['origin']): Promise<StepResult> => {
    const next = await ports.follow(call, output, signal)
    return { output, origin, attempts: info.attempt, ...(next.length > 0 && { next }) }
  }
  const before = await readNode(ports.store, call.run, call.node)
  if (before) return done(before.output, 'recovered')
  const scratchDir = path.join(ports.scratchDir, `${call.run}.${call.node}.close.${info.attempt}`)
  await mkdir(scratchDir, { recursive: true })
  try {
    const table = await closeMap(ports.store, requestFor(args), { atLeast: args.atLeast, scratchDir })
    // Items that failed are worth another try in the next run; the others are found one by one.
    const key = table.failed > 0 ? null : call.key
    const startedAt = new Date(info.currentAttemptScheduledTimestampMs).toISOString()
    const output = table as unknown as Json
    const facts = { origin: 'ran', output, reason: null, startedAt, attempts: info.attempt } as const
    const kept = await keep(ports.store, { ...call, key }, facts)
    if (key) ports.once.later(remember(ports.store, key, { output: kept, run: call.run, node: call.node }))
    return await done(kept, 'ran')
  } finally {
    await rm(scratchDir, { recursive: true, force: true })
  }
}

/** @param input - only opening reads it. */
function requestFor({ call, generation, codeVersion, policy }: MapCall, input?: Json): MapRequest {
  const { salt, ignore, cache } = policy
  return {
    run: call.run,
    node: call.node,
    generation,
    of: { step: call.step, codeVersion, ...(salt !== undefined && { salt }), ...(ignore && { ignore }) },
    input: (input ?? { over: null, input: null }) as unknown as MapRequest['input'],
    // Without a key the step's code is not that of the plan: its results are nobody else's.
    cache: cache && call.key !== null,
  }
}
