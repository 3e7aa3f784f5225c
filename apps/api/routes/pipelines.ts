import { z } from 'zod'
import { byName, pipelineInfo, runForecast } from '../schemas.ts'
import type { Api, RouteContext } from '../server.ts'

const params = z.record(z.string(), z.unknown()).default({})

/** What can be run, what a run would do, and starting one. */
export function pipelineRoutes(server: Api, { ports }: RouteContext): void {
  server.get(
    '/api/pipelines',
    { config: { permission: 'view' }, schema: { response: { 200: z.array(pipelineInfo).readonly() } } },
    () => ports.engine.pipelines(),
  )

  server.post(
    '/api/pipelines/:name/plan',
    {
      config: { permission: 'view' },
      schema: { params: byName, body: z.object({ params }), response: { 200: z.unknown() } },
    },
    (request) => ports.engine.plan(request.params.name, request.body.params),
  )

  server.post(
    '/api/pipelines/:name/forecast',
    {
      config: { permission: 'view' },
      schema: {
        params: byName,
        body: z.object({ params, against: z.string().min(1).max(200).optional() }),
        response: { 200: runForecast },
      },
    },
    (request) => {
      const { params: values, against } = request.body
      const asked = { kind: 'run' as const, pipeline: request.params.name, params: values }
      return ports.engine.forecast(against === undefined ? asked : { ...asked, against })
    },
  )

  server.post(
    '/api/pipelines/:name/runs',
    {
      config: { permission: 'run' },
      schema: {
        params: byName,
        body: z.object({ params, runId: z.string().min(1).max(128).optional() }),
        response: { 201: z.object({ id: z.string() }) },
      },
    },
    async (request, reply) => {
      const { params: values, runId } = request.body
      const options = { by: request.principal.name, ...(runId ? { runId } : {}) }
      return reply.code(201).send(await ports.engine.start(request.params.name, values, options))
    },
  )
}
