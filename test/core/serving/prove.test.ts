import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { openVersion } from '#core/datasets'
import { encodePixels } from '#core/images'
import { addImages } from '#core/imports'
import { announceGateway, predict, predictImage, proveEndpoint } from '#core/serving'
import { createMemoryStore, sha256Hex } from '#core/storage'
import type { DatasetVersion } from '#core/steps'
import { reportOf, trainTinyModel } from '../../support/tiny-model.ts'

/** An endpoint that answers each image by its digest. */
let answer: (digest: string, response: ServerResponse) => void
const seen: string[] = []
const server = createServer((request: IncomingMessage, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    const digest = sha256Hex(Buffer.concat(chunks))
    seen.push(`${request.url} ${digest}`)
    answer(digest, response)
  })
})
let url = ''
let directory = ''
const store = createMemoryStore()
const model = await trainTinyModel(store)
let version: DatasetVersion
let heldOut: string[]

const say = (response: ServerResponse, name: string, scores = [0.9, 0.1]) =>
  response.end(
    JSON.stringify({
      outputs: [
        { name: 'scores', data: scores },
        { name: 'class', data: [name] },
      ],
    }),
  )

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  directory = await mkdtemp(path.join(os.tmpdir(), 'gyre-prove-'))
  const images = await Promise.all(
    Array.from({ length: 40 }, async (_, i) => {
      const pixels = Uint8Array.from({ length: 16 * 16 * 3 }, (_unused, at) => (at * (i + 3) * 37) % 251)
      return { name: `${i}.png`, bytes: await encodePixels(pixels, { height: 16, width: 16 }) }
    }),
  )
  version = await addImages(store, 'd', images, { by: 'test' })
  const labels = await (await openVersion(store, version)).labels()
  heldOut = labels.filter(({ split }) => split === 'test').map(({ digest }) => digest)
})
afterAll(async () => {
  server.close()
  await rm(directory, { recursive: true, force: true })
})
afterEach(() => void seen.splice(0))

const evaluated = (digest: string) => (Number.parseInt(digest.slice(0, 2), 16) % 2 === 0 ? 'even' : 'odd')

async function prove(fields: { oracle?: string; images?: number } = {}) {
  const predictions = heldOut.map((digest) => ({ digest, class: evaluated(digest), score: 0.9 }))
  return proveEndpoint(
    {
      endpoint: { kind: 'endpoint', name: 'e', revision: 1, url },
      report: await reportOf(store, model, { predictions }),
      version,
      images: 2_000,
      ...fields,
    },
    { store, signal: new AbortController().signal, progress: () => undefined },
  )
}

describe('the proof of an endpoint', () => {
  it('holds when every held-out image gets its evaluated class', async () => {
    answer = (digest, response) => say(response, evaluated(digest))
    const proof = await prove()
    expect(proof).toMatchObject({ checked: heldOut.length, agree: 1, accuracy: null })
    expect(proof.firstAnswerMs).toBeGreaterThan(0)
    expect(seen.toSorted()).toEqual(heldOut.map((digest) => `/v2/models/e/infer ${digest}`))
  })

  it('fails and names the images when an answer differs', async () => {
    const wrong = heldOut[1]!
    answer = (digest, response) => say(response, digest === wrong ? 'neither' : evaluated(digest))
    await expect(prove()).rejects.toMatchObject({
      code: 'ENDPOINT_DISAGREES',
      message: expect.stringContaining(`${wrong.slice(0, 12)}: neither, not ${evaluated(wrong)}`),
      details: { checked: heldOut.length, agree: 1 - 1 / heldOut.length },
    })
  })

  it('leaves a tie that rounding decides to the endpoint', async () => {
    answer = (_digest, response) => say(response, 'neither', [0.4999999, 0.5000001])
    expect(await prove()).toMatchObject({ agree: 1 })
  })

  it('measures true accuracy against an oracle', async () => {
    answer = (digest, response) => say(response, evaluated(digest))
    const truth = Object.fromEntries(heldOut.map((digest, i) => [digest, i === 0 ? 'neither' : evaluated(digest)]))
    const oracle = path.join(directory, 'oracle.json')
    await writeFile(oracle, JSON.stringify(truth))
    expect(await prove({ oracle })).toMatchObject({ accuracy: (heldOut.length - 1) / heldOut.length })
  })

  it('sends no more images than asked for', async () => {
    answer = (digest, response) => say(response, evaluated(digest))
    expect(await prove({ images: 2 })).toMatchObject({ checked: 2 })
  })

  it('waits and tries again where the endpoint is full', async () => {
    let refusals = 1
    answer = (digest, response) => {
      if (refusals-- > 0) response.writeHead(503, { 'retry-after': '1' }).end('{"error":"full"}')
      else say(response, evaluated(digest))
    }
    expect(await prove({ images: 1 })).toMatchObject({ checked: 1, agree: 1 })
    expect(seen).toHaveLength(2)
  })

  it('uses the address that the gateway announced last', async () => {
    answer = (digest, response) => say(response, evaluated(digest))
    const own = createMemoryStore()
    for await (const { key } of store.list('')) await own.create(key, await store.get(key))
    await announceGateway(own, url)
    const predictions = heldOut.map((digest) => ({ digest, class: evaluated(digest), score: 0.9 }))
    const endpoint = { kind: 'endpoint' as const, name: 'e', revision: 1, url: 'http://127.0.0.1:9' }
    const input = { endpoint, report: await reportOf(own, model, { predictions }), version, images: 1 }
    const ctx = { store: own, signal: new AbortController().signal, progress: () => undefined }
    expect(await proveEndpoint(input, ctx)).toMatchObject({ checked: 1 })
  })

  it('stops at once when it is cancelled', async () => {
    const stop = new AbortController()
    answer = () => stop.abort(new Error('cancelled'))
    const predictions = heldOut.map((digest) => ({ digest, class: 'a', score: 1 }))
    const endpoint = { kind: 'endpoint' as const, name: 'e', revision: 1, url }
    const input = { endpoint, report: await reportOf(store, model, { predictions }), version, images: 10 }
    await expect(proveEndpoint(input, { store, signal: stop.signal, progress: () => undefined })).rejects.toThrow(
      'cancelled',
    )
  })

  it('needs the version that was evaluated', async () => {
    const endpoint = { kind: 'endpoint' as const, name: 'e', revision: 1, url }
    const input = { endpoint, report: await reportOf(store, model), version, images: 10 }
    const ctx = { store, signal: new AbortController().signal, progress: () => undefined }
    await expect(proveEndpoint(input, ctx)).rejects.toMatchObject({ code: 'TOO_FEW_LABELS' })
  })
})

describe('predicting files', () => {
  it('gives each file its class and score, in order', async () => {
    answer = (digest, response) => say(response, digest === sha256Hex(Buffer.from('b')) ? 'B' : 'A', [0.3, 0.7])
    const files = await Promise.all(
      ['a', 'b'].map(async (name) => {
        await writeFile(path.join(directory, name), name)
        return path.join(directory, name)
      }),
    )
    expect(await predict(url, 'e', files)).toEqual([
      { file: files[0], class: 'A', score: 0.7 },
      { file: files[1], class: 'B', score: 0.7 },
    ])
  })

  it.each([
    [400, 'IMAGE_UNREADABLE'],
    [404, 'ENDPOINT_NOT_FOUND'],
    [413, 'IMAGE_TOO_LARGE'],
    [500, 'INTERNAL'],
  ])('reports status %i as %s with what the endpoint said', async (status, code) => {
    answer = (_digest, response) => response.writeHead(status).end('{"error":"because"}')
    await expect(predictImage(url, 'e', Buffer.from('x'), { name: 'x.png' })).rejects.toMatchObject({
      code,
      message: 'endpoint e refused x.png: because',
    })
  })

  it('says that a file is missing', async () => {
    await expect(predict(url, 'e', [path.join(directory, 'none.png')])).rejects.toMatchObject({
      code: 'DATASET_SOURCE_NOT_FOUND',
    })
  })

  it('gives up on a gateway that does not come back', async () => {
    const attempt = predictImage('http://127.0.0.1:9', 'e', Buffer.from('x'), { patienceMs: 300 })
    await expect(attempt).rejects.toMatchObject({ code: 'GATEWAY_UNAVAILABLE' })
  })
})
