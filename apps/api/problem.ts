/** Failures as RFC 9457 problem documents: the code of the catalogue, what it means, what happened, what to do. */

import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { hasZodFastifySchemaValidationErrors } from 'fastify-type-provider-zod'
import { CATALOGUE, isPlatformError, PlatformError, toPlatformError } from '#core/errors'
import type { Logger } from '#core/log'
import { discardBody } from '#core/serving'

/** Headers and a body that a client, a script or a person can act on. */
export function sendProblem(reply: FastifyReply, error: PlatformError, status: number = error.httpStatus) {
  const facts = CATALOGUE[error.code]
  const retryAfter = error.details.retryAfterSeconds
  if (typeof retryAfter === 'number') void reply.header('retry-after', String(Math.ceil(retryAfter)))
  return reply
    .code(status)
    .type('application/problem+json')
    .serializer((body: unknown) => JSON.stringify(body))
    .send({
      type: `urn:gyre:error:${error.code}`,
      title: facts.when,
      status,
      code: error.code,
      detail: error.message,
      remedy: facts.remedy,
      ...(Object.keys(error.details).length ? { details: error.details } : {}),
    })
}

/** Turns whatever a route threw into a problem; only failures that nobody foresaw are logged with their stack. */
export function problemHandler(log: Logger) {
  return async (error: FastifyError, request: FastifyRequest, reply: FastifyReply) => {
    if (isPlatformError(error)) {
      if (error.httpStatus >= 500) log.warn({ code: error.code, url: request.url }, error.message)
      return sendProblem(reply, error)
    }
    if (hasZodFastifySchemaValidationErrors(error)) {
      const [issue] = error.validation
      const path = `${error.validationContext}${(issue?.instancePath ?? '').replaceAll('/', '.')}`
      return sendProblem(reply, new PlatformError('INVALID_INPUT', `${path}: ${issue?.message ?? 'invalid'}`, { path }))
    }
    // Fastify's own refusals: a body too large, a wrong content type, JSON that does not parse.
    const status = error.statusCode ?? 500
    if (status >= 400 && status < 500) {
      const code = status === 413 ? 'UPLOAD_TOO_LARGE' : 'INVALID_INPUT'
      if (status === 413) await discardBody(request.raw)
      return sendProblem(reply, new PlatformError(code, error.message), status)
    }
    log.error({ err: error, url: request.url }, 'an HTTP call failed unexpectedly')
    return sendProblem(reply, toPlatformError(error))
  }
}
