/** Serves the built pages: hashed assets for ever, and one document for every address that people can reload or share. */

import fastifyStatic from '@fastify/static'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { PlatformError } from '#core/errors'
import { sendProblem } from './problem.ts'
import { nonceOf } from './security.ts'
import type { Api } from './server.ts'

/** `index.html` carries this where the style nonce of the answer goes. */
const NONCE = '__STYLE_NONCE__'

export async function pages(server: Api, webDir: string): Promise<void> {
  const index = await readFile(path.join(webDir, 'index.html'), 'utf8').catch((cause: unknown) => {
    throw new PlatformError(
      'STACK_START_FAILED',
      `no built pages in ${webDir}; run \`npm run build\``,
      { webDir },
      { cause },
    )
  })
  await server.register(fastifyStatic, {
    root: path.join(webDir, 'assets'),
    prefix: '/assets/',
    decorateReply: false,
    immutable: true,
    maxAge: '365d',
    index: false,
  })
  server.get('/*', { config: { permission: 'public', rateLimit: false }, schema: { hide: true } }, (request, reply) => {
    if (request.url.startsWith('/api/') || !(request.headers.accept ?? '').includes('text/html'))
      return sendProblem(
        reply,
        new PlatformError('ROUTE_NOT_FOUND', `there is nothing at ${request.method} ${request.url}`),
      )
    return reply.type('text/html; charset=utf-8').send(index.replaceAll(NONCE, nonceOf(reply)))
  })
}
