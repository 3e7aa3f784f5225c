/**
 * Tells people what happens to a run, where somebody set up a way to. Each message is a workflow of its own that nobody
 * waits for: neither a slow receiver nor a dead one holds up or fails a run.
 */

import {
  ActivityFailure,
  CancellationScope,
  isCancellation,
  ParentClosePolicy,
  proxyActivities,
  startChild,
} from '@temporalio/workflow'
import type { News } from '#core/notify'
import type { NotifyActivities } from '../activities/notify.ts'
import type { RunPipelineArgs, RunSettings } from './types.ts'

const { deliver } = proxyActivities<NotifyActivities>({
  startToCloseTimeout: '1m',
  retry: { initialInterval: '1s', backoffCoefficient: 3, maximumInterval: '10m', maximumAttempts: 8 },
})

/** @returns the ways that could not be used, with why; empty when everything arrived. */
export async function notify(news: News): Promise<string> {
  try {
    await deliver(news)
    return ''
  } catch (error) {
    if (isCancellation(error) || !(error instanceof ActivityFailure)) throw error
    return error.cause?.message ?? error.message
  }
}

/** Sends a message on its way; does nothing, and leaves no event, where this kind of news is not wanted. */
export async function tell({ notify: wanted }: RunSettings, news: News): Promise<void> {
  if (!wanted?.includes(news.kind)) return
  const { run, generation, kind, node, mark } = news
  await CancellationScope.nonCancellable(() =>
    startChild(notify, {
      workflowId: [run, 'tell', generation, kind, ...(node ? [node] : []), ...(mark ? [mark] : [])].join('/'),
      args: [news],
      parentClosePolicy: ParentClosePolicy.ABANDON,
      staticSummary: `${kind}: ${run}`,
    }).catch(() => undefined),
  )
}

/** Tells that a run is over: done, or failed with this cause. */
export function tellEnd(
  { run, generation, plan, settings }: RunPipelineArgs,
  failure: { readonly node: string; readonly message: string } | null,
): Promise<void> {
  const news = { run, generation, pipeline: plan.pipeline }
  if (!failure) return tell(settings, { kind: 'completed', ...news })
  return tell(settings, { kind: 'failed', ...news, node: failure.node, reason: failure.message })
}
