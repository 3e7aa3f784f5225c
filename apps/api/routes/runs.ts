import { Readable } from 'node:stream'
import { z } from 'zod'
import { byId, runReport, runSummary } from '../schemas.ts'
import type { Api, RouteContext } from '../server.ts'

const KEEP_ALIVE_MS = 15_000
const accepted = { 202: z.object({ id: z.string() }) }

/** Runs: as they are, as they change, and what a person can do to them. */
export function runRoutes(server: Api, { ports: { engine }, feed }: RouteContext): void {
  server.get(
    '/api/runs',
    { config: { permission: 'view' }, schema: { response: { 200: z.array(runSummary).readonly() } } },
    () => engine.list(),
  )

  server.get(
    '/api/runs/:id',
    { config: { permission: 'view' }, schema: { params: byId, response: { 200: runReport } } },
    (request) => engine.show(request.params.id),
  )

  server.get(
    '/api/runs/:id/events',
    { config: { permission: 'view' }, schema: { params: byId } },
    async (request, reply) => {
      const run = request.params.id
      await engine.show(run)
      const stream = new Readable({ read() {} })
      const keepAlive = setInterval(() => stream.push(': still here\n\n'), KEEP_ALIVE_MS)
      const leave = feed.watch(run, {
        changed: (report) => void stream.push(`event: report\ndata: ${JSON.stringify(report)}\n\n`),
        ended: () => void stream.push(null),
      })
      stream.once('close', () => {
        clearInterval(keepAlive)
        leave()
      })
      return reply.type('text/event-stream').header('x-accel-buffering', 'no').send(stream)
    },
  )

  for (const verb of ['cancel', 'resume'] as const)
    server.post(
      `/api/runs/:id/${verb}`,
      { config: { permission: 'run' }, schema: { params: byId, response: accepted } },
      async (request, reply) => {
        await engine[verb](request.params.id, request.principal.name)
        return reply.code(202).send({ id: request.params.id })
      },
    )
}
