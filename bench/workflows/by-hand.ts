/** What someone would write by hand on Temporal: the same activities in a row, without plan, cache, store or DAG. */

import { proxyActivities } from '@temporalio/workflow'

const { plainNoop } = proxyActivities<{ plainNoop(input: { n: number }): Promise<{ n: number }> }>({
  startToCloseTimeout: '1m',
  heartbeatTimeout: '5s',
  taskQueue: 'gyre-cpu',
})

export async function byHand(steps: number): Promise<number> {
  let n = 0
  for (let index = 0; index < steps; index += 1) n = (await plainNoop({ n })).n
  return n
}
