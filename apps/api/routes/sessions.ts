import { z } from 'zod'
import { answer, byId, screen, sessionState, sessionView } from '../schemas.ts'
import type { Api, RouteContext } from '../server.ts'

/** Labelling: what to look at next, and what people said of it. The annotator is whoever is logged in. */
export function sessionRoutes(server: Api, { ports: { sessions, engine } }: RouteContext): void {
  const view = async (id: string) => {
    const record = await sessions.record(id)
    const host = await sessions.connect(id)
    return { ...record, state: await host.state() }
  }

  server.get(
    '/api/sessions',
    { config: { permission: 'view' }, schema: { response: { 200: z.array(sessionView).readonly() } } },
    async () => Promise.all((await sessions.list()).map(({ id }) => view(id))),
  )

  server.get(
    '/api/sessions/:id',
    { config: { permission: 'view' }, schema: { params: byId, response: { 200: sessionView } } },
    (request) => view(request.params.id),
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
