/** What people are told of runs, and in which words. */

export const NEWS_KINDS = ['failed', 'approval', 'escalation', 'completed'] as const
export type NewsKind = (typeof NEWS_KINDS)[number]

export interface News {
  readonly kind: NewsKind
  readonly run: string
  readonly generation: number
  readonly pipeline: string
  /** The step that waits, or that failed. */
  readonly node?: string
  readonly question?: string
  /** Who is asked: names and `role:…`; empty: whoever may publish. */
  readonly to?: readonly string[]
  /** The cause of a failure. */
  readonly reason?: string
}

/** One line without markup: a subject for mails, a text for chats. */
export function headline({ kind, run, node, question, to = [], reason }: News): string {
  const whom = to.length > 0 ? to.join(', ') : 'somebody who may publish'
  switch (kind) {
    case 'failed':
      return `${run} failed at ${node ?? 'its start'}: ${reason ?? 'no cause is known'}`
    case 'completed':
      return `${run} is done`
    case 'approval':
      return `${run} asks ${whom}: ${question}`
    case 'escalation':
      return `${run} still has no answer and asks ${whom}, too: ${question}`
  }
}

/** What a person can do about it: the address of the run, and the command where there is one. */
export function details({ kind, run, node }: News, pageUrl: string | null): readonly string[] {
  const commands = {
    failed: `gyre run show ${run}`,
    completed: `gyre run show ${run}`,
    approval: `gyre run approve ${run} ${node}`,
    escalation: `gyre run approve ${run} ${node}`,
  }
  return [...(pageUrl === null ? [] : [`${pageUrl}/runs/${encodeURIComponent(run)}`]), commands[kind]]
}
