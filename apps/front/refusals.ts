/** What the front door itself answers: predictions in the protocol's form, everything else as problem documents. */

import type { ServerResponse } from 'node:http'
import { CATALOGUE, type PlatformError } from '#core/errors'
import { discardBody, errorBody } from '#core/serving'

export function refusePrediction(response: ServerResponse, error: PlatformError): void {
  void answer(response, error, 'application/json', errorBody(error.message))
}

export function refuseCall(response: ServerResponse, { code, message, httpStatus, details }: PlatformError): void {
  const { when, remedy } = CATALOGUE[code]
  const problem = { type: `urn:gyre:error:${code}`, title: when, status: httpStatus, code, detail: message, remedy }
  void answer(response, { httpStatus, details }, 'application/problem+json', JSON.stringify(problem))
}

async function answer(
  response: ServerResponse,
  { httpStatus, details }: Pick<PlatformError, 'httpStatus' | 'details'>,
  type: string,
  body: string,
): Promise<void> {
  await discardBody(response.req)
  const wait = details['retryAfterSeconds']
  response.writeHead(httpStatus, {
    'content-type': type,
    'content-length': Buffer.byteLength(body),
    // What may be left of the body must not be taken for the next call.
    connection: 'close',
    ...(typeof wait === 'number' && { 'retry-after': String(Math.ceil(wait)) }),
    ...(httpStatus === 401 && { 'www-authenticate': 'Bearer realm="gyre"' }),
  })
  response.end(body)
}
