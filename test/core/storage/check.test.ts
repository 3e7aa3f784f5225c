import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { createMemoryStore, openStore, refuseUnusableStore } from '#core/storage'
import { minio, startMinio } from '../../support/minio.ts'

interface Answer {
  readonly status: number
  readonly code: string
}

const EMPTY_LIST = '<?xml version="1.0"?><ListBucketResult><KeyCount>0</KeyCount></ListBucketResult>'

let server: Server | null = null

afterEach(() => {
  vi.unstubAllEnvs()
  server?.closeAllConnections()
  server?.close()
  server = null
})

/** An S3 server that refuses some methods in the words of a real one. */
async function startRefusing(refusals: Readonly<Record<string, Answer>>): Promise<void> {
  server = createServer((request, response) => {
    request.resume()
    const refusal = refusals[request.method ?? '']
    const body = refusal ? `<Error><Code>${refusal.code}</Code><Message>no</Message></Error>` : EMPTY_LIST
    response.writeHead(refusal?.status ?? 200, { 'content-type': 'application/xml' }).end(body)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  useServer(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
}

function useServer(endpoint: string, accessKey = 'key', secretKey = 'secret'): void {
  vi.stubEnv('AWS_ENDPOINT_URL_S3', endpoint)
  vi.stubEnv('AWS_REGION', 'us-east-1')
  vi.stubEnv('AWS_ACCESS_KEY_ID', accessKey)
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', secretKey)
}

async function refusal(uri = 's3://parts/gyre'): Promise<{ code: string; message: string }> {
  const store = await openStore(uri)
  const error: unknown = await refuseUnusableStore(store).then(
    () => null,
    (reason: unknown) => reason,
  )
  return error as { code: string; message: string }
}

it('a store that can be used leaves nothing behind', async () => {
  const store = createMemoryStore()
  await refuseUnusableStore(store)
  for await (const { key } of store.list('')) expect.unreachable(`${key} is left`)
})

describe('one sentence says what to mend', () => {
  const denied = { status: 403, code: 'AccessDenied' }

  it.each([
    ['a missing bucket', { GET: { status: 404, code: 'NoSuchBucket' } }, 'has no bucket parts; create it'],
    [
      'a bucket that is read-only',
      { PUT: denied },
      'bucket parts is read-only for us; allow these credentials s3:PutObject',
    ],
    [
      'a bucket that may not be listed',
      { GET: denied },
      'bucket parts may not be listed; allow these credentials s3:ListBucket',
    ],
    ['a bucket that keeps everything', { DELETE: denied }, 'bucket parts may not be deleted from'],
    ['an unknown access key', { GET: { status: 403, code: 'InvalidAccessKeyId' } }, 'does not know the access key'],
    ['a wrong secret key', { GET: { status: 403, code: 'SignatureDoesNotMatch' } }, 'refuses the secret key'],
    ['an expired login', { GET: { status: 400, code: 'ExpiredToken' } }, 'have expired; log in again'],
    ['clocks that differ', { GET: { status: 403, code: 'RequestTimeTooSkewed' } }, 'more than 15 minutes off'],
  ])('for %s', async (_, refusals, words) => {
    await startRefusing(refusals as Readonly<Record<string, Answer>>)
    const { code, message } = await refusal()
    expect(message).toContain(words)
    expect(code).toBe('STORE_REFUSED')
  })

  it('for AWS itself without a region', async () => {
    useServer('', 'key', 'secret')
    vi.stubEnv('AWS_REGION', undefined)
    vi.stubEnv('AWS_CONFIG_FILE', '/dev/null')
    const { message } = await refusal()
    expect(message).toBe('the region of bucket parts is not known; set AWS_REGION')
  })

  it('a server of one’s own needs no region', async () => {
    await startRefusing({ PUT: denied })
    vi.stubEnv('AWS_REGION', undefined)
    vi.stubEnv('AWS_CONFIG_FILE', '/dev/null')
    expect((await refusal()).message).toContain('read-only')
  })

  it('for a server that does not answer', async () => {
    useServer('http://127.0.0.1:1')
    const { code, message } = await refusal()
    expect(code).toBe('STORE_UNAVAILABLE')
    expect(message).toContain('s3://parts/gyre/default')
  })
})

describe.skipIf(minio.path === null)('on a real S3 server', () => {
  it('a bucket that is there passes; a missing one, a wrong key and a wrong secret are told apart', async () => {
    const server = await startMinio(minio.path!)
    try {
      useServer(server.endpoint, 'gyretest', 'gyretest-secret')
      const uri = await server.createBucket('there')
      expect(await refusal(uri)).toBeNull()
      expect((await refusal('s3://elsewhere')).message).toContain('has no bucket elsewhere')
      useServer(server.endpoint, 'somebody', 'gyretest-secret')
      expect((await refusal(uri)).message).toContain('does not know the access key')
      useServer(server.endpoint, 'gyretest', 'guessed')
      expect((await refusal(uri)).message).toContain('refuses the secret key')
    } finally {
      await server.stop()
    }
  })
})
