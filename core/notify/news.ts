/** What people are told of runs, and in which words. */

export const NEWS_KINDS = [
  ...(['failed', 'approval', 'escalation', 'completed'] as const),
  ...(['session-opened', 'session-progress', 'session-disagreement', 'session-certified', 'session-finished'] as const),
] as const
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
  /** Tells news of one kind and step apart: how far a session is, say. */
  readonly mark?: string
  /** The labelling session that the step hosts. */
  readonly session?: SessionNews
}

/** Where a labelling session stands. */
export interface SessionNews {
  readonly id: string
  readonly images: number
  readonly labelled: number
  readonly certified: { readonly atLeast: number; readonly confidence: number } | null
  readonly people: number
  /** Images of which two people say different things. */
  readonly disagreements: number
  /** Seconds of work left at the measured pace; null where nobody can tell. */
  readonly secondsLeft: number | null
}

/** One line without markup: a subject for mails, a text for chats. */
export function headline({ kind, run, node, question, to = [], reason, session }: News): string {
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
    default:
      return session ? sessionLine(kind, session) : `${run}: ${kind}`
  }
}

function sessionLine(kind: NewsKind, { id, images, labelled, certified, disagreements }: SessionNews): string {
  const far = `${labelled} of ${images} images labelled`
  switch (kind) {
    case 'session-opened':
      return `${id} waits for people: ${images} images to label`
    case 'session-disagreement':
      return `${id}: people disagree about ${disagreements === 1 ? 'one image' : `${disagreements} images`}`
    case 'session-certified':
      return `${id} is certified: at least ${percent(certified?.atLeast ?? 0)} of the labels are right; ${far}`
    case 'session-finished':
      return `${id} has ended without a certificate; ${far}`
    default:
      return `${id}: ${far}`
  }
}

/** Rounded down: a bound is never told better than it is. */
function percent(share: number): string {
  return `${(Math.floor(share * 1_000) / 10).toFixed(1)} %`
}

/** What a person can do about it: the address of the run, and the command where there is one. */
export function details({ kind, run, node, session }: News, pageUrl: string | null): readonly string[] {
  if (session)
    return [
      ...(pageUrl === null ? [] : [`${pageUrl}/labelling/${encodeURIComponent(session.id)}`]),
      `gyre annotate open ${session.id}`,
    ]
  const commands: Readonly<Partial<Record<NewsKind, string>>> = {
    failed: `gyre run show ${run}`,
    completed: `gyre run show ${run}`,
    approval: `gyre run approve ${run} ${node}`,
    escalation: `gyre run approve ${run} ${node}`,
  }
  const command = commands[kind]
  return [
    ...(pageUrl === null ? [] : [`${pageUrl}/runs/${encodeURIComponent(run)}`]),
    ...(command === undefined ? [] : [command]),
  ]
}
