/** What someone would write by hand on Temporal: activities, without plan, cache, store or DAG. */

import { condition, continueAsNew, defineUpdate, proxyActivities, setHandler } from '@temporalio/workflow'

const { plainAdd, now } = proxyActivities<{
  plainAdd(input: { n: number }): Promise<{ n: number }>
  now(): Promise<number>
}>({ startToCloseTimeout: '1m', heartbeatTimeout: '5s' })

export async function chain(steps: number): Promise<number> {
  let n = 0
  for (let index = 0; index < steps; index += 1) n = (await plainAdd({ n })).n
  return n
}

export async function fan(width: number): Promise<number> {
  const sides = await Promise.all(Array.from({ length: width }, (_, n) => plainAdd({ n })))
  return sides.reduce((all, { n }) => all + n, 0)
}

/** Activities at work at once, and how many one execution starts before its history is too long. */
const AT_ONCE = 100
const PER_EXECUTION = 1_000

/** An activity per item, and a new execution before the history grows too long. */
export async function map(items: number, from = 0, sum = 0): Promise<number> {
  const until = Math.min(items, from + PER_EXECUTION)
  let next = from
  const work = async (): Promise<void> => {
    while (next < until) sum += (await plainAdd({ n: next++ })).n
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))
  return until < items ? continueAsNew<typeof map>(items, until, sum) : sum
}

export const approve = defineUpdate('approve')

/** @returns when the activity after the approval began, in milliseconds since 1970. */
export async function approval(): Promise<number> {
  let approved = false
  setHandler(approve, () => void (approved = true))
  await condition(() => approved)
  return now()
}
