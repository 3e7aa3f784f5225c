/**
 * `gyre annotate open|list|show|people|disagreements|instructions|classes|request|stop`: labelling sessions, which pipelines
 * open and people work on in the browser, and what their lead sees and decides.
 */

import { readFile } from 'node:fs/promises'
import { PlatformError } from '#core/errors'
import { Invocation, type CommonOptions } from '../invocation.ts'
import { loginLink, openInBrowser } from '../login-link.ts'
import { withStack } from '../stack-access.ts'
import { table } from '../table.ts'
import { count, counted, duration, moment, percent } from '../words.ts'

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
    readonly pace: { readonly grid: number | null; readonly control: number | null }
    readonly secondsLeft: number | null
    readonly people: number
    readonly disagreements: number
    readonly speedUp: number
    readonly classes: readonly string[]
  }
}

interface Annotator {
  readonly annotator: string
  readonly screens: number
  readonly images: number
  readonly activeMs: number
  readonly secondsPerImage: number | null
  readonly controls: { readonly images: number; readonly secondsPerImage: number | null }
  readonly gold: { readonly shown: number; readonly missed: number }
  readonly agreement: { readonly images: number; readonly equal: number }
}

interface Dispute {
  readonly image: string
  readonly votes: readonly { readonly annotator: string; readonly class: string | null; readonly why: string | null }[]
  readonly settled: { readonly class: string; readonly chance: number } | null
}

interface Instructions {
  readonly text: string
  readonly examples: Readonly<Record<string, readonly string[]>>
  readonly by: string | null
  readonly at: string | null
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
        state.screensLeft === null || state.status !== 'open'
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

export async function show(session: string, options: CommonOptions): Promise<void> {
  const invocation = new Invocation(options)
  const found = await withStack(invocation, ({ api }) => api.get<Session>(pathOf(session)))
  const { state } = found
  const seconds = (value: number | null): string => (value === null ? 'not measured' : `${value.toFixed(2)} s an image`)
  invocation.answer(found, () =>
    [
      `${found.id}  ${state.status}  ${found.dataset}`,
      '',
      ` labelled       ${count(state.labelled)} of ${count(state.images)} images, ×${state.speedUp.toFixed(1)} against one by one`,
      ` certified      ${state.certified ? `at least ${percent(state.certified.atLeast)} right` : 'not yet'}`,
      ` screens        ${count(state.screens)} answered${state.status === 'open' ? screensLeft(state.screensLeft) : ''}`,
      ...(state.status === 'open'
        ? [` time left      ${state.secondsLeft === null ? 'not known yet' : duration(state.secondsLeft * 1_000)}`]
        : []),
      ` on grids       ${seconds(state.pace.grid)}`,
      ` one by one     ${seconds(state.pace.control)}`,
      ` people         ${count(state.people)}${state.people > 1 ? `, who disagree on ${counted(state.disagreements, 'image')}` : ''}`,
      ` classes        ${state.classes.join(', ')}`,
    ].join('\n'),
  )
}

function screensLeft(left: number | null): string {
  return left === null ? ', not known how many left' : `, about ${count(left)} left`
}

export async function people(session: string, options: CommonOptions): Promise<void> {
  const invocation = new Invocation(options)
  const all = await withStack(invocation, ({ api }) => api.get<Annotator[]>(`${pathOf(session)}/people`))
  const seconds = (value: number | null): string => (value === null ? '–' : value.toFixed(2))
  invocation.answer(all, () =>
    table(
      ['annotator', 'screens', 'images', 'active', 's/image', 'one by one', 'gold missed', 'agrees'],
      all.map(({ annotator, screens, images, activeMs, secondsPerImage, controls, gold, agreement }) => [
        annotator,
        screens,
        images,
        duration(activeMs),
        seconds(secondsPerImage),
        seconds(controls.secondsPerImage),
        `${count(gold.missed)} of ${count(gold.shown)}`,
        agreement.images === 0 ? '–' : `${percent(agreement.equal / agreement.images)} of ${count(agreement.images)}`,
      ]),
      'Nobody has answered yet.',
    ),
  )
}

export async function disagreements(
  session: string,
  options: CommonOptions & { readonly after?: string; readonly count?: number },
): Promise<void> {
  const invocation = new Invocation(options)
  const query = new URLSearchParams({
    ...(options.after && { after: options.after }),
    count: `${options.count ?? 100}`,
  })
  const all = await withStack(invocation, ({ api }) => api.get<Dispute[]>(`${pathOf(session)}/disagreements?${query}`))
  invocation.answer(all, () =>
    table(
      ['image', 'what people say', 'what holds'],
      all.map(({ image, votes, settled }) => [
        image.slice(0, 12),
        votes.map((vote) => `${vote.annotator}: ${vote.class ?? vote.why ?? 'skipped'}`).join(', '),
        settled ? `${settled.class} (${percent(settled.chance, 0)})` : 'no class',
      ]),
      'Nobody disagrees.',
    ),
  )
}

/** Shows them, or writes those of a file. Example images stay as they are. */
export async function instructions(session: string, file: string | undefined, options: CommonOptions): Promise<void> {
  const invocation = new Invocation(options)
  const path = `${pathOf(session)}/instructions`
  const text = file === undefined ? null : await readText(file)
  const held = await withStack(invocation, async ({ api }) => {
    const before = await api.get<Instructions>(path)
    return text === null ? before : api.put<Instructions>(path, { text, examples: before.examples })
  })
  invocation.answer(held, () => {
    const written = held.by === null ? '' : `\n\nWritten by ${held.by}, ${moment(held.at)}.`
    return `${held.text || 'No instructions. Write them in a file and name it here.'}${written}`
  })
}

async function readText(file: string): Promise<string> {
  return readFile(file, 'utf8').catch((cause: unknown) => {
    throw new PlatformError('INVALID_INPUT', `${file} cannot be read; name a text file`, { file }, { cause })
  })
}

/** Shows the classes, adds one, or removes one with its images going to another class or coming back. */
export async function classes(
  session: string,
  options: CommonOptions & { readonly add?: string; readonly remove?: string; readonly into?: string },
): Promise<void> {
  const { add, remove, into } = options
  if ((add !== undefined && remove !== undefined) || (into !== undefined && remove === undefined))
    throw new PlatformError(
      'INVALID_INPUT',
      'one change at a time: --add NAME, or --remove NAME with or without --into',
    )
  const invocation = new Invocation(options)
  const change = add === undefined ? { remove, into: into ?? null } : { add }
  const state = await withStack(invocation, ({ api }) =>
    add === undefined && remove === undefined
      ? api.get<Session>(pathOf(session)).then((found) => found.state)
      : api.post<Session['state']>(`${pathOf(session)}/classes`, change),
  )
  invocation.answer({ classes: state.classes }, () => state.classes.join('\n'))
}

/** Asks for images next, or for a second look at what one annotator labelled. */
export async function request(
  session: string,
  images: readonly string[],
  options: CommonOptions & {
    readonly class?: string
    readonly review?: boolean
    readonly of?: string
    readonly count?: number
  },
): Promise<void> {
  if ((options.of === undefined) === (images.length === 0))
    throw new PlatformError('INVALID_INPUT', 'name the images (SHA-256 digests), or an annotator with --of')
  const invocation = new Invocation(options)
  const body = options.of
    ? { annotator: options.of, ...(options.count && { count: options.count }) }
    : { images, proposed: options.class ?? null, review: options.review ?? false }
  await withStack(invocation, ({ api }) => api.post(`${pathOf(session)}/requests`, body))
  const what = options.of ? `labels of ${options.of}` : counted(images.length, 'image')
  invocation.answer({ id: session, ...body }, () => `${what} come next in ${session}.`)
}

function pathOf(session: string): string {
  return `/api/sessions/${encodeURIComponent(session)}`
}

export async function stop(session: string, options: CommonOptions): Promise<void> {
  const invocation = new Invocation(options)
  await withStack(invocation, ({ api }) => api.post(`${pathOf(session)}/stop`))
  invocation.answer({ id: session }, () => `${session} ends with the labels there are; its run goes on.`)
}
