/**
 * The HTTP API that the command line and the pages share, as a pure factory: everything it touches comes in as a port,
 * so tests drive it by `inject` with fakes. The OpenAPI description at `/api/openapi.json` is made from the same schemas that validate.
 */

import cookie from '@fastify/cookie'
import multipart from '@fastify/multipart'
import rateLimit from '@fastify/rate-limit'
import swagger from '@fastify/swagger'
import Fastify, { type FastifyBaseLogger, type FastifyInstance, type RawServerDefault } from 'fastify'
import {
  jsonSchemaTransform,
  serializerCompiler,
  validatorCompiler,
  type ZodTypeProvider,
} from 'fastify-type-provider-zod'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { PlatformError } from '#core/errors'
import { auditCalls } from './audit.ts'
import { loginRoutes, requireLogin } from './auth.ts'
import { prepareDrain } from './drain.ts'
import { RunFeed } from './run-feed.ts'
import { pages } from './pages.ts'
import type { ApiLimits, ApiPorts, ApiSettings } from './ports.ts'
import { problemHandler, sendProblem } from './problem.ts'
import { approvalRoutes } from './routes/approvals.ts'
import { batchRoutes } from './routes/batches.ts'
import { certificateRoutes } from './routes/certificates.ts'
import { codecRoutes } from './routes/codec.ts'
import { datasetCatalogRoutes } from './routes/dataset-catalog.ts'
import { datasetHealthRoutes } from './routes/dataset-health.ts'
import { datasetVersionRoutes } from './routes/dataset-versions.ts'
import { datasetNeighbourRoutes } from './routes/dataset-neighbours.ts'
import { datasetRoutes } from './routes/datasets.ts'
import { endpointRoutes } from './routes/endpoints.ts'
import { modelRoutes } from './routes/models.ts'
import { peopleRoutes } from './routes/people.ts'
import { pipelineRoutes } from './routes/pipelines.ts'
import { retentionRoutes } from './routes/retention.ts'
import { runDetailRoutes } from './routes/run-details.ts'
import { runRoutes } from './routes/runs.ts'
import { sessionExportRoutes } from './routes/session-export.ts'
import { sessionRoutes } from './routes/sessions.ts'
import { settingsRoutes } from './routes/settings.ts'
import { systemRoutes } from './routes/system.ts'
import { triggerRoutes } from './routes/triggers.ts'
import { guardBrowser } from './security.ts'

export type Api = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse<IncomingMessage>,
  FastifyBaseLogger,
  ZodTypeProvider
>

/** What the route files get. */
export interface RouteContext {
  readonly ports: ApiPorts
  readonly settings: ApiSettings
  readonly limits: ApiLimits
  readonly feed: RunFeed
}

const DEFAULT_LIMITS: ApiLimits = {
  requestsPerMinute: 12_000,
  loginsPerMinute: 20,
  uploadFiles: 5_000,
  uploadFileBytes: 64 * 2 ** 20,
  uploadTotalBytes: 4 * 2 ** 30,
  pollMs: 400,
}

/** @returns a server that is ready to `listen` or `inject`; `close` ends its event streams first. */
export async function buildServer(ports: ApiPorts, settings: ApiSettings): Promise<Api> {
  const limits = { ...DEFAULT_LIMITS, ...settings.limits }
  const server: Api = Fastify({
    bodyLimit: 2 ** 20,
    routerOptions: { maxParamLength: 128 },
    trustProxy: [...(settings.trustedProxies ?? [])],
  }).withTypeProvider<ZodTypeProvider>()
  server.setValidatorCompiler(validatorCompiler)
  server.setSerializerCompiler(serializerCompiler)
  server.setErrorHandler(problemHandler(settings.log))
  server.setNotFoundHandler((request, reply) =>
    sendProblem(reply, new PlatformError('ROUTE_NOT_FOUND', `there is nothing at ${request.method} ${request.url}`)),
  )

  guardBrowser(server, settings.hosts)
  await server.register(cookie)
  await server.register(rateLimit, {
    max: limits.requestsPerMinute,
    timeWindow: '1 minute',
    errorResponseBuilder: (_request, context) =>
      new PlatformError('TOO_MANY_REQUESTS', `more than ${context.max} calls in a minute; wait ${context.after}`, {
        retryAfterSeconds: context.ttl / 1000,
      }),
  })
  await server.register(multipart, {
    limits: {
      files: limits.uploadFiles,
      fileSize: limits.uploadFileBytes,
      fields: 20,
      fieldSize: 10_000,
      parts: limits.uploadFiles + 20,
    },
  })
  await server.register(swagger, {
    openapi: {
      info: { title: 'Gyre', version: settings.version, description: 'data → label → train → deploy → data' },
    },
    transform: jsonSchemaTransform,
  })
  server.addContentTypeParser(/^(image\/|application\/octet-stream)/, { parseAs: 'buffer' }, (_request, body, done) =>
    done(null, body),
  )
  requireLogin(server, ports.identity)
  if (settings.audit) auditCalls(server, settings.audit)

  const feed = new RunFeed(ports.engine, limits.pollMs)
  const drain = prepareDrain(server.server)
  server.addHook('preClose', async () => {
    feed.close()
    drain()
  })
  const context: RouteContext = { ports, settings, limits, feed }
  loginRoutes(server, context)
  for (const routes of [
    systemRoutes,
    pipelineRoutes,
    runRoutes,
    approvalRoutes,
    triggerRoutes,
    runDetailRoutes,
    datasetRoutes,
    datasetCatalogRoutes,
    datasetNeighbourRoutes,
    datasetHealthRoutes,
    retentionRoutes,
    datasetVersionRoutes,
    peopleRoutes,
    settingsRoutes,
    sessionRoutes,
    certificateRoutes,
    sessionExportRoutes,
    modelRoutes,
    endpointRoutes,
    batchRoutes,
    codecRoutes,
  ])
    routes(server, context)
  if (settings.webDir) await pages(server, settings.webDir)
  await server.ready()
  return server
}
