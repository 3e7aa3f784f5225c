/** `gyre annotate open|list|stop`: labelling sessions, which pipelines open and people work on in the browser. */
import { PlatformError } from '#core/errors'
import { Invocation, type CommonOptions } from '../invocation.ts'
import { loginLink, openInBrowser } from '../login-link.ts'
import { withStack } from '../stack-access.ts'
import { table } from '../table.ts'
import { count, percent } from '../words.ts'

interface Session {
  readonly id: string
  readonly run: string | null
  readonly dataset: string
  readonly state: {
    readonly status: string
    readonly images: number
    readonly labelled: number
    readonly screens: number
    readonly certified: { readonly atLeast: number } | null
    readonly screensLeft: number | null
  }
}

export async function list(options: CommonOptions): Promise<void> {
  const invocation = new Invocation(options)
  const sessions = await withStack(invocation, ({ api }) => api.get<Session[]>('/api/sessions'))
  invocation.answer(sessions, () =>
    table(
      ['session', 'dataset', 'status', 'labelled', 'screens', 'certified'],
      sessions.map(({ id, dataset, state }) => [
        id,
        dataset,
        state.status,
        `${count(state.labelled)} of ${count(state.images)}`,
        state.screensLeft === null
          ? count(state.screens)
          : `${count(state.screens)}, ~${count(state.screensLeft)} left`,
        state.certified ? `≥ ${percent(state.certified.atLeast)}` : '–',
      ]),
      'No labelling sessions. A run with an annotate step opens one.\n\n  ./gyre demo --annotator web',
    ),
  )
}

/** Opens the labelling page of a session, of a dataset's open session, or of the only open one. */
export async function open(wanted: string | undefined, options: CommonOptions): Promise<void> {
  const invocation = new Invocation(options)
  await withStack(invocation, async ({ api, info, own }) => {
    if (own) throw new PlatformError('STACK_NOT_RUNNING', 'labelling needs a stack that stays up; start one first')
    const session = choose(await api.get<Session[]>('/api/sessions'), wanted)
    const page = `${info.apiUrl}/labelling/${session.id}`
    const login = await loginLink(api)
    const opened = invocation.json ? false : await openInBrowser(login)
    invocation.answer({ session: session.id, dataset: session.dataset, page, login }, () =>
      [` page   ${page}`, ` login  ${login}   (once)`, ...(opened ? ['', 'Opened in the browser.'] : [])].join('\n'),
    )
  })
}

function choose(sessions: readonly Session[], wanted: string | undefined): Session {
  const open = sessions.filter(({ state }) => state.status === 'open')
  const found = wanted ? sessions.filter(({ id, dataset }) => id === wanted || dataset === wanted) : open
  const best = found.find(({ state }) => state.status === 'open') ?? found.at(-1)
  if (!best || (!wanted && open.length > 1)) {
    const names = open.map(({ id }) => id).join(', ')
    const message = wanted
      ? `no labelling session is called "${wanted}" or belongs to such a dataset; open ones: ${names || 'none'}`
      : `${open.length} labelling sessions are open (${names || 'none'}); name one`
    throw new PlatformError('SESSION_NOT_FOUND', message)
  }
  return best
}

export async function stop(session: string, options: CommonOptions): Promise<void> {
  const invocation = new Invocation(options)
  await withStack(invocation, ({ api }) => api.post(`/api/sessions/${encodeURIComponent(session)}/stop`))
  invocation.answer({ id: session }, () => `${session} ends with the labels there are; its run goes on.`)
}
