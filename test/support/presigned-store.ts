/** A store in memory whose presigned addresses work: a small HTTP server stands for S3. */

import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createMemoryStore, type ObjectStore, type PresignRequest } from '#core/storage'

export interface PresignedStore {
  readonly store: ObjectStore & Required<Pick<ObjectStore, 'presign'>>
  stop(): Promise<void>
}

export async function startPresignedStore(): Promise<PresignedStore> {
  const objects = createMemoryStore('presigned')
  const server = createServer((request, response) => void answer(objects, request, response))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const presign = ({ method, key, createOnly = false }: PresignRequest) =>
    Promise.resolve(`http://127.0.0.1:${port}/${key}?method=${method}${createOnly ? '&create-only' : ''}`)
  return {
    store: Object.assign(objects, { presign }),
    async stop() {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

async function answer(objects: ObjectStore, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost')
  const key = pathname.slice(1)
  const end = (status: number, body?: Uint8Array) => response.writeHead(status).end(body)
  if (searchParams.get('method') !== request.method) return void end(403)
  if (request.method === 'GET') {
    const found = await objects.head(key)
    return void (found ? end(200, await objects.get(key)) : end(404))
  }
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  const createOnly = searchParams.has('create-only')
  if (createOnly && request.headers['if-none-match'] !== '*') return void end(400)
  if (!createOnly) await objects.delete(key)
  end((await objects.create(key, Buffer.concat(chunks))) ? 200 : 412)
}
