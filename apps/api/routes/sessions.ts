import { z } from 'zod'
import { isPlatformError } from '#core/errors'
import type { SessionState } from '#core/labelling'
import {
  annotatorStats,
  answer,
  byId,
  classChange,
  comment,
  digest,
  disagreement,
  imageRequest,
  instructions,
  newComment,
  newInstructions,
  reasons,
  screen,
  sessionState,
  sessionView,
  storedAnswer,
  type SessionRecord,
} from '../schemas.ts'
import type { SessionPort } from '../ports.ts'
import type { Api, RouteContext } from '../server.ts'

const NOTHING_DONE: Omit<SessionState, 'session' | 'status' | 'images' | 'classes'> = {
  labelled: 0,
  screens: 0,
  misfits: 0,
  certified: null,
  humanSeconds: 0,
  speedUp: 0,
  screensLeft: null,
  pace: { grid: null, control: null },
  secondsLeft: null,
  people: 0,
  disagreements: 0,
}

const isOver = (status: string): boolean => status === 'completed' || status === 'failed' || status === 'cancelled'

/** Labelling: what to look at next, and what people said of it. The annotator is whoever is logged in. */
export function sessionRoutes(server: Api, { ports: { sessions, engine } }: RouteContext): void {
  /** While a session has no host, what can be said of it without one. */
  const unhosted = async ({ id, run, images, classes }: SessionRecord): Promise<SessionState> => {
    const over =
      run !== null &&
      isOver(
        await engine.show(run).then(
          ({ status }) => status,
          () => 'running',
        ),
      )
    return { ...NOTHING_DONE, session: id, status: over ? 'stopped' : 'open', images, classes }
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
      return host.submit({ ...request.body, annotator: request.principal.name })
    },
  )

  server.post(
    '/api/sessions/:id/undo',
    {
      config: { permission: 'annotate' },
      schema: {
        params: byId,
        response: {
          200: z.object({ screen: screen.nullable(), answer: storedAnswer.nullable(), state: sessionState }),
        },
      },
    },
    async (request) => {
      const host = await sessions.connect(request.params.id)
      const undone = await host.undo(request.principal.name)
      return { screen: undone?.screen ?? null, answer: undone?.answer ?? null, state: await host.state() }
    },
  )

  server.post(
    '/api/sessions/:id/redo',
    {
      config: { permission: 'annotate' },
      schema: { params: byId, response: { 200: z.object({ screen: screen.nullable(), state: sessionState }) } },
    },
    async (request) => {
      const host = await sessions.connect(request.params.id)
      return { screen: await host.redo(request.principal.name), state: await host.state() }
    },
  )

  server.get(
    '/api/sessions/:id/screens/:screen/reasons',
    {
      config: { permission: 'annotate' },
      schema: {
        params: byId.extend({ screen: z.string().min(1).max(64) }),
        querystring: z.object({ image: digest }),
        response: { 200: reasons },
      },
    },
    async (request) => {
      const host = await sessions.connect(request.params.id)
      return host.reasons(request.params.screen, request.query.image)
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

  leadRoutes(server, sessions)
}

/** For whoever leads a session: who did what, what people disagree on, what they should know, and what comes next. */
function leadRoutes(server: Api, sessions: SessionPort): void {
  server.get(
    '/api/sessions/:id/people',
    {
      config: { permission: 'view' },
      schema: { params: byId, response: { 200: z.array(annotatorStats).readonly() } },
    },
    async (request) => (await sessions.connect(request.params.id)).people(),
  )

  server.get(
    '/api/sessions/:id/disagreements',
    {
      config: { permission: 'view' },
      schema: {
        params: byId,
        querystring: z.object({
          after: digest.nullable().default(null),
          count: z.coerce.number().int().min(1).max(500).default(100),
        }),
        response: { 200: z.array(disagreement).readonly() },
      },
    },
    async ({ params, query }) => (await sessions.connect(params.id)).disagreements(query.after, query.count),
  )

  server.get(
    '/api/sessions/:id/comments',
    { config: { permission: 'view' }, schema: { params: byId, response: { 200: z.array(comment).readonly() } } },
    async (request) => sessions.comments(request.params.id),
  )

  server.post(
    '/api/sessions/:id/comments',
    {
      config: { permission: 'annotate' },
      schema: { params: byId, body: newComment, response: { 201: comment } },
    },
    async (request, reply) =>
      reply.code(201).send(await sessions.comment(request.params.id, request.body, request.principal.name)),
  )

  server.get(
    '/api/sessions/:id/instructions',
    { config: { permission: 'view' }, schema: { params: byId, response: { 200: instructions } } },
    async (request) => sessions.instructions(request.params.id),
  )

  server.put(
    '/api/sessions/:id/instructions',
    {
      config: { permission: 'run' },
      schema: { params: byId, body: newInstructions, response: { 200: instructions } },
    },
    async (request) => sessions.instruct(request.params.id, request.body, request.principal.name),
  )

  server.post(
    '/api/sessions/:id/classes',
    {
      config: { permission: 'run' },
      schema: { params: byId, body: classChange, response: { 200: sessionState } },
    },
    async (request) => {
      const host = await sessions.connect(request.params.id)
      return host.changeClasses(request.body, request.principal.name)
    },
  )

  server.post(
    '/api/sessions/:id/requests',
    {
      config: { permission: 'annotate' },
      schema: { params: byId, body: imageRequest, response: { 200: sessionState } },
    },
    async ({ params, body, principal }) => {
      const host = await sessions.connect(params.id)
      if ('annotator' in body) return host.review(body.annotator, body.count, principal.name)
      return host.request(body.images, body.proposed, principal.name, body.review)
    },
  )
}
