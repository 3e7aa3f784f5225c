/**
 * The HTTP face of a replica: Open Inference Protocol v2 over REST. It decodes, admits and answers; models run in other
 * threads, so that health and refusals are quick whatever the load.
 */

import Fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { PlatformError, toPlatformError } from '#core/errors'
import type { Logger } from '#core/log'
import {
  answerMalformed,
  deadlineOf,
  discardBody,
  encodeResponse,
  errorBody,
  HEADER_LENGTH,
  imagesOf,
  modelMetadata,
  outputsOf,
  readInferBody,
  SERVER_METADATA,
  type Batcher,
  type ImageBatch,
  type Predictions,
  type ServedModel,
} from '#core/serving'
import type { ReplicaMetrics } from './metrics.ts'

export const BODY_LIMIT_BYTES = 32 * 2 ** 20
/** Bodies that are read or wait at the same time; beyond that a request is refused before its body is read. */
const PENDING_LIMIT_BYTES = 512 * 2 ** 20

export interface ReplicaOptions {
  readonly model: ServedModel
  readonly batcher: Batcher<ImageBatch, Predictions>
  readonly metrics: ReplicaMetrics
  readonly log: Logger
  /** Loaded and warmed. */
  isReady(): boolean
  isDraining(): boolean
  /** Told of every answer, after it was sent. */
  onPredicted(batch: ImageBatch, predictions: Predictions): void
}

type ModelParams = { model: string; version?: string }
type ModelRequest = FastifyRequest<{ Params: ModelParams }>

export function buildServer(options: ReplicaOptions): FastifyInstance {
  const app = Fastify({
    bodyLimit: BODY_LIMIT_BYTES,
    return503OnClosing: false,
    // Longer than any proxy keeps an idle connection, so that the proxy closes first.
    keepAliveTimeout: 75_000,
    requestTimeout: 120_000,
    clientErrorHandler: answerMalformed,
    frameworkErrors: (error, _request, reply) => sendError(reply as FastifyReply, error),
  })
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
  app.setErrorHandler(async (error, request, reply) => {
    if ((error as Partial<FastifyError>).statusCode === 413) await discardBody(request.raw)
    const status = sendError(reply, error)
    if (status >= 500 && status !== 503) options.log.error({ err: error, url: request.url }, 'a request failed')
    return reply
  })
  app.setNotFoundHandler((request, reply) =>
    reply
      .code(404)
      .type('application/json')
      .send(errorBody(`there is no ${request.method} ${request.url}`)),
  )
  app.addHook('onSend', async (_request, reply, payload) => {
    if (options.isDraining()) reply.header('connection', 'close')
    return payload
  })
  countRequests(app, options.metrics)
  boundPendingBytes(app)
  addHealth(app, options)
  addModel(app, options)
  return app
}

function addHealth(app: FastifyInstance, { isReady, isDraining, metrics, model }: ReplicaOptions): void {
  const requireReady = () => {
    if (!isReady()) throw notReady('the model is being loaded')
    if (isDraining()) throw notReady('the replica is ending')
  }
  const metadata = () => SERVER_METADATA
  app.get('/v2', metadata)
  app.get('/v2/', metadata)
  app.get('/v2/health/live', () => ({ live: true }))
  app.get('/v2/health/ready', () => {
    requireReady()
    return { ready: true }
  })
  app.post('/v2/repository/index', () => [
    { name: model.endpoint, version: String(model.revision), state: isReady() ? 'READY' : 'LOADING', reason: '' },
  ])
  app.get('/metrics', async (_request, reply) => reply.type(metrics.contentType).send(await metrics.text()))
  forModel(app, '/ready', 'GET', (request) => {
    requireModel(request.params, model)
    requireReady()
    return { name: model.endpoint, ready: true }
  })
}

function addModel(app: FastifyInstance, options: ReplicaOptions): void {
  const { model } = options
  forModel(app, '', 'GET', (request) => {
    requireModel(request.params, model)
    return modelMetadata(model)
  })
  forModel(app, '/infer', 'POST', (request, reply) => infer(request, reply, options))
}

async function infer(request: ModelRequest, reply: FastifyReply, options: ReplicaOptions): Promise<FastifyReply> {
  const { model, batcher, metrics } = options
  requireModel(request.params, model)
  if (!options.isReady()) throw notReady('the model is being loaded')
  const received = performance.now()
  const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0)
  const inferRequest = readInferBody(body, headerLength(request), model)
  const images = imagesOf(inferRequest, model)
  const deadlineMs = deadlineOf(inferRequest)
  const readMs = performance.now() - received
  const { result, queueMs, runMs, batchImages } = await batcher.submit(images, {
    signal: goneSignal(request, reply),
    ...(deadlineMs !== undefined && { deadlineMs }),
  })
  metrics.observeBatchShare({ queueMs, runMs, batchImages })
  const { headers, body: answer } = encodeResponse(
    {
      modelName: model.endpoint,
      modelVersion: String(model.revision),
      id: inferRequest.id,
      parameters: { model: model.model },
      outputs: outputsOf(result, inferRequest, model),
    },
    inferRequest,
  )
  void reply.headers(headers).header('server-timing', serverTiming({ read: readMs, queue: queueMs, run: runMs }))
  await reply.send(answer)
  options.onPredicted(images, result)
  return reply
}

/** Aborts when the client goes away before it has its answer. */
function goneSignal(request: FastifyRequest, reply: FastifyReply): AbortSignal {
  const gone = new AbortController()
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) gone.abort(new PlatformError('INVALID_INPUT', 'the client went away'))
  })
  if (request.raw.destroyed && !request.raw.complete) gone.abort()
  return gone.signal
}

function headerLength(request: FastifyRequest): string | undefined {
  const value = request.headers[HEADER_LENGTH]
  return Array.isArray(value) ? value.join() : value
}

function serverTiming(phases: Record<string, number>): string {
  return Object.entries(phases)
    .map(([name, ms]) => `${name};dur=${ms.toFixed(2)}`)
    .join(', ')
}

/** The protocol writes every model path with and without a version. */
function forModel(
  app: FastifyInstance,
  suffix: string,
  method: 'GET' | 'POST',
  handler: (request: ModelRequest, reply: FastifyReply) => unknown,
): void {
  for (const url of [`/v2/models/:model${suffix}`, `/v2/models/:model/versions/:version${suffix}`])
    app.route<{ Params: ModelParams }>({ method, url, handler })
}

function requireModel({ model: name, version }: ModelParams, model: ServedModel): void {
  if (name !== model.endpoint)
    throw new PlatformError(
      'ENDPOINT_NOT_FOUND',
      `there is no model '${name}' here; this replica serves '${model.endpoint}'`,
    )
  if (version !== undefined && version !== String(model.revision))
    throw new PlatformError(
      'ENDPOINT_NOT_FOUND',
      `there is no version ${version} of '${name}' here; this replica serves ${model.revision}`,
    )
}

function notReady(message: string): PlatformError {
  return new PlatformError('ENDPOINT_OVERLOADED', message, { retryAfterSeconds: 1 })
}

/** Errors have one shape, `{"error": string}`, whoever found them: we, Fastify, or the HTTP parser. */
function sendError(reply: FastifyReply, error: unknown): number {
  const framework = error as { statusCode?: number; code?: string; message?: string }
  const isFrameworks = typeof framework.code === 'string' && framework.code.startsWith('FST_')
  const known = toPlatformError(error)
  const status = isFrameworks ? (framework.statusCode ?? 500) : known.httpStatus
  const message =
    framework.code === 'FST_ERR_CTP_BODY_TOO_LARGE'
      ? `the body is larger than ${BODY_LIMIT_BYTES / 2 ** 20} MiB; send fewer or smaller images`
      : known.message
  const retryAfter = known.details['retryAfterSeconds']
  if (status === 503) reply.header('retry-after', String(retryAfter ?? 1))
  void reply.code(status).type('application/json').send(errorBody(message))
  return status
}

function countRequests(app: FastifyInstance, metrics: ReplicaMetrics): void {
  app.addHook('onResponse', async (request, reply) => {
    if (request.url.endsWith('/infer')) metrics.observeRequest(reply.statusCode, reply.elapsedTime)
  })
}

function boundPendingBytes(app: FastifyInstance): void {
  let pending = 0
  app.addHook('onRequest', async (request, reply) => {
    if (request.method !== 'POST') return
    const length = request.headers['content-length']
    const bytes = length === undefined ? BODY_LIMIT_BYTES : Number(length)
    if (pending + bytes > PENDING_LIMIT_BYTES)
      throw new PlatformError('ENDPOINT_OVERLOADED', `requests of ${pending} bytes wait already; try again in 1 s`)
    pending += bytes
    reply.raw.once('close', () => (pending -= bytes))
  })
}
