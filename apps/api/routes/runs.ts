import { Readable } from 'node:stream'
import { z } from 'zod'
import type { RunFilter } from '#core/runs'
import { byId, runFilter, runForecast, runReport, runSummary } from '../schemas.ts'
import type { Api, RouteContext } from '../server.ts'

const KEEP_ALIVE_MS = 15_000
const accepted = { 202: z.object({ id: z.string() }) }

const started = { 201: z.object({ id: z.string() }) }
const params = z.record(z.string(), z.unknown()).default({})
const runId = z.string().min(1).max(128).optional()
const rerun = z.object({ from: z.array(z.string().min(1).max(200)).max(100).default([]), params })
const fork = z.object({ pipeline: z.string().min(1).max(1_000), params })

/** Runs: as they are, as they change, and what a person can do to them. */
export function runRoutes(server: Api, { ports: { engine }, feed }: RouteContext): void {
  server.get(
    '/api/runs',
    {
      config: { permission: 'view' },
      schema: { querystring: runFilter, response: { 200: z.array(runSummary).readonly() } },
    },
    (request) => engine.list(withoutAbsent(request.query)),
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

  server.post(
    '/api/runs/:id/rerun/plan',
    { config: { permission: 'view' }, schema: { params: byId, body: rerun, response: { 200: runForecast } } },
    (request) => engine.forecast({ kind: 'rerun', run: request.params.id, ...request.body }),
  )

  server.post(
    '/api/runs/:id/fork/plan',
    { config: { permission: 'run' }, schema: { params: byId, body: fork, response: { 200: runForecast } } },
    (request) => engine.forecast({ kind: 'fork', run: request.params.id, ...request.body }),
  )

  server.post(
    '/api/runs/:id/rerun',
    { config: { permission: 'run' }, schema: { params: byId, body: rerun.extend({ runId }), response: started } },
    async (request, reply) => {
      const { runId: id, ...body } = request.body
      const options = { by: request.principal.name, ...(id ? { runId: id } : {}) }
      return reply.code(201).send(await engine.rerun({ run: request.params.id, ...body }, options))
    },
  )

  server.post(
    '/api/runs/:id/fork',
    { config: { permission: 'run' }, schema: { params: byId, body: fork.extend({ runId }), response: started } },
    async (request, reply) => {
      const { runId: id, ...body } = request.body
      const options = { by: request.principal.name, ...(id ? { runId: id } : {}) }
      return reply.code(201).send(await engine.fork({ run: request.params.id, ...body }, options))
    },
  )
}

/** A query that leaves a name out has it as undefined. */
function withoutAbsent({ pipeline, status, limit }: z.infer<typeof runFilter>): RunFilter {
  return { ...(pipeline && { pipeline }), ...(status && { status }), ...(limit && { limit }) }
}
