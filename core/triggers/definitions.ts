/** The triggers of a definition, checked, each with the name that commands and records know it by. */

import { PlatformError } from '#core/errors'
import type { PipelineDefinition, Trigger } from '#core/pipeline'

/** Plain JSON: what a schedule passes on to its fires. */
export type NamedTrigger = Exclude<Trigger, { kind: 'manual' }> & { readonly name: string }

/** The old field `trigger` counts as the first of `triggers`. @throws {PlatformError} `PIPELINE_INVALID`. */
export function triggersOf({
  name: pipeline,
  trigger,
  triggers = [],
}: Pick<PipelineDefinition, 'name' | 'trigger' | 'triggers'>): readonly NamedTrigger[] {
  const named: NamedTrigger[] = []
  const all = [...(trigger ? [trigger] : []), ...triggers].filter((one) => one.kind !== 'manual')
  for (const one of all) {
    const earlier = named.filter(({ kind }) => kind === one.kind).length
    const name = one.name ?? (earlier === 0 ? one.kind : `${one.kind}-${earlier + 1}`)
    const trouble = named.some((other) => other.name === name) ? 'is used twice' : troubleWith(name, one)
    if (trouble)
      throw new PlatformError('PIPELINE_INVALID', `pipeline ${pipeline}: trigger "${name}" ${trouble}`, { pipeline })
    named.push({ ...one, name })
  }
  return named
}

function troubleWith(name: string, trigger: Exclude<Trigger, { kind: 'manual' }>): string | null {
  if (!/^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/.test(name))
    return 'must be lower-case letters, digits and hyphens, at most 40'
  if (trigger.kind === 'schedule') {
    const { cron, every, catchup } = trigger
    if ((cron === undefined) === (every === undefined)) return 'must have either cron or every'
    if (cron !== undefined && cron.trim().split(/\s+/).length !== 5)
      return `has cron "${cron}", which is not five fields like 0 3 * * *`
    if (every !== undefined && spanMs(every) < 1_000) return `has every "${every}"; write it as 15m, 6h or 1d`
    if (catchup !== undefined && spanMs(catchup) < 10_000) return `has catchup "${catchup}"; 10s at least`
  }
  if (trigger.kind === 'new-images') {
    const { atLeast, orEvery } = trigger
    if (!Number.isInteger(atLeast) || atLeast < 1) return `has atLeast ${atLeast}, which is not a whole number from 1`
    if (orEvery !== undefined && spanMs(orEvery) < 60_000) return `has orEvery "${orEvery}"; 1m at least`
  }
  return null
}

const UNIT_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** '30s', '15m', '6h', '7d' → milliseconds; 0 for anything else. */
export function spanMs(text: string): number {
  const [, number, unit] = /^(\d{1,6}(?:\.\d+)?)([smhd])$/.exec(text) ?? []
  return number && unit ? Math.round(Number(number) * UNIT_MS[unit]!) : 0
}

/** One line for lists: what it waits for. */
export function describeTrigger(trigger: NamedTrigger): string {
  switch (trigger.kind) {
    case 'schedule':
      return trigger.cron ? `${trigger.cron} ${trigger.timezone ?? 'UTC'}` : `every ${trigger.every}`
    case 'new-images':
      return `${trigger.atLeast} new images in ${trigger.dataset}${trigger.orEvery ? `, or any after ${trigger.orEvery}` : ''}`
    case 'ref-moved':
      return `${trigger.dataset}@${trigger.ref ?? 'latest'} moves`
    case 'drift':
      return `${trigger.endpoint} drifts`
    case 'run-ended':
      return `a run of ${trigger.pipeline} ${trigger.status ?? 'completed'}`
    case 'webhook':
      return `/api/hooks/…/${trigger.name}`
  }
}
