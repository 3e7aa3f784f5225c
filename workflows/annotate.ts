/**
 * One labelling session, as long as people take. A host process owns the session and is restarted wherever it dies;
 * this workflow hears milestones only, and takes the request to stop early.
 */

import { allHandlersFinished, condition, CancellationScope, setCurrentDetails, setHandler } from '@temporalio/workflow'
import { milestone, stopBySignal, stopSession, UNVERIFIED } from './messages.ts'
import { tell } from './notify.ts'
import { bookkeeping, stepActivity, type StepResult } from './proxies.ts'
import { SessionTeller } from './session-news.ts'
import type { AnnotateArgs, SessionMilestone } from './types.ts'

export async function annotate({ call, of, settings, timeoutMs, attempts }: AnnotateArgs): Promise<StepResult> {
  let latest: SessionMilestone | null = null
  let stopping = false
  const stop = async (by: string): Promise<void> => {
    stopping = true
    await bookkeeping.requestSessionStop({ run: call.run, node: call.node, by })
  }
  const teller = new SessionTeller()
  setHandler(milestone, async (news) => {
    latest = news
    setCurrentDetails(detailsOf(news))
    if (of)
      for (const one of teller.newsOf(news)) await tell(settings, { run: call.run, node: call.node, ...of, ...one })
  })
  setHandler(stopSession, ({ by }) => stop(by), {
    validator: ({ by }) => {
      if (!by) throw new Error('who stops the session must be named')
      if (stopping) throw new Error('the session is being stopped already')
      if (latest?.kind === 'finished') throw new Error('the session has finished')
    },
  })
  setHandler(stopBySignal, async () => {
    if (!stopping) await stop(UNVERIFIED)
  })

  const host = stepActivity('annotate', { queue: 'cpu', timeoutMs, attempts }, settings, {
    activityId: call.node,
    summary: `labelling session of ${call.node}`,
  })
  try {
    return await host(call)
  } finally {
    await CancellationScope.nonCancellable(() => condition(allHandlersFinished))
  }
}

function detailsOf({ kind, state }: SessionMilestone): string {
  const certified = state.certified
    ? `certified ≥ ${(100 * state.certified.atLeast).toFixed(1)} % at ${100 * state.certified.confidence} %`
    : 'not certified yet'
  return [
    `### ${state.session}: ${kind}`,
    `${state.labelled} of ${state.images} images labelled · ${state.screens} screens · ${state.misfits} misfits · ${certified}`,
    `×${state.speedUp.toFixed(1)} against one by one`,
  ].join('\n\n')
}
