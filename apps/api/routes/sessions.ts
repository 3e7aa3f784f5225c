import { z } from 'zod'
import { isPlatformError } from '#core/errors'
import type { SessionState } from '#core/labelling'
import { answer, byId, screen, sessionState, sessionView, type SessionRecord } from '../schemas.ts'
import type { Api, RouteContext } from '../server.ts'

const NOTHING_DONE: Omit<SessionState, 'session' | 'status' | 'images'> = {
  labelled: 0,
  screens: 0,
  misfits: 0,
  certified: null,
  humanSeconds: 0,
  speedUp: 0,
  screensLeft: null,
}

const isOver = (status: string): boolean => status === 'completed' || status === 'failed' || status === 'cancelled'

/** Labelling: what to look at next, and what people said of it. The annotator is whoever is logged in. */
export function sessionRoutes(server: Api, { ports: { sessions, engine } }: RouteContext): void {
  /** While a session has no host, what can be said of it without one. */
  const unhosted = async ({ id, run, images }: SessionRecord): Promise<SessionState> => {
    const over =
      run !== null &&
      isOver(
        await engine.show(run).then(
          ({ status }) => status,
          () => 'running',
        ),
      )
    return { ...NOTHING_DONE, session: id, status: over ? 'stopped' : 'open', images }
  }
  const view = async (record: SessionRecord) => {
    const host = await sessions.connect(record.id)
    const state = await host.state().catch((error: unknown) => {
      if (isPlatformError(error) && error.code === 'SESSION_HOST_UNAVAILABLE') return unhosted(record)
      throw error
    })
    return { ...record, state }
  }

  server.get(
    '/api/sessions',
    { config: { permission: 'view' }, schema: { response: { 200: z.array(sessionView).readonly() } } },
    async () => Promise.all((await sessions.list()).map(view)),
  )

  server.get(
    '/api/sessions/:id',
    { config: { permission: 'view' }, schema: { params: byId, response: { 200: sessionView } } },
    async (request) => view(await sessions.record(request.params.id)),
  )

  server.get(
    '/api/sessions/:id/screens',
    {
      config: { permission: 'annotate' },
      schema: {
        params: byId,
        querystring: z.object({ count: z.coerce.number().int().min(1).max(8).default(3) }),
        response: { 200: z.array(screen).readonly() },
      },
    },
    async (request) => {
      const host = await sessions.connect(request.params.id)
      return host.next(request.principal.name, request.query.count)
    },
  )

  server.post(
    '/api/sessions/:id/answers',
    { config: { permission: 'annotate' }, schema: { params: byId, body: answer, response: { 200: sessionState } } },
    async (request) => {
      const host = await sessions.connect(request.params.id)
      const misfits = request.body.misfits.map(({ image, class: className, why }) => ({
        image,
        class: className,
        ...(why ? { why } : {}),
      }))
      return host.submit({ ...request.body, misfits, annotator: request.principal.name })
    },
  )

  server.post(
    '/api/sessions/:id/undo',
    {
      config: { permission: 'annotate' },
      schema: { params: byId, response: { 200: z.object({ screen: screen.nullable(), state: sessionState }) } },
    },
    async (request) => {
      const host = await sessions.connect(request.params.id)
      return { screen: await host.undo(request.principal.name), state: await host.state() }
    },
  )

  server.post(
    '/api/sessions/:id/stop',
    {
      config: { permission: 'annotate' },
      schema: { params: byId, response: { 202: z.object({ id: z.string() }) } },
    },
    async (request, reply) => {
      const { id } = await sessions.record(request.params.id)
      await engine.stopSession(id, request.principal.name)
      return reply.code(202).send({ id })
    },
  )
}
