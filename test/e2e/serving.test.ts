/** Real gateway, real replica processes, real ONNX. */

import { readFile, writeFile } from 'node:fs/promises'
import net from 'node:net'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createProcessServiceHost } from '#core/compute'
import { entryPoint } from '#core/execution'
import { encodePixels } from '#core/images'
import { capturedImages, deployAlgorithm, deployEndpoint, predictImage, readGatewayUrl } from '#core/serving'
import {
  isRunning,
  replicaPids,
  startGateway,
  temporaryStore,
  until,
  type Gateway,
  type TemporaryStore,
} from '../support/gateway.ts'
import { sendAllThenRead } from '../support/deaf-client.ts'
import { registerTiny, slowOnnx, solidPixels, tinyScores } from '../support/tiny-model.ts'

type Bytes = Uint8Array<ArrayBuffer>
interface InferAnswer {
  readonly model_name: string
  readonly model_version: string
  readonly id?: string
  readonly outputs: readonly { name: string; datatype: string; shape: number[]; data: (number | string)[] }[]
}

const picture = async (...colour: [number, number, number]): Promise<Bytes> =>
  Buffer.from(await encodePixels(solidPixels(colour), { height: 4, width: 4 }))
const green = await picture(0, 30, 0)

let temporary: TemporaryStore
let gateway: Gateway

interface DeployOptions {
  readonly replicas?: number
  readonly queueLimit?: number
  readonly captureBytes?: number
  readonly captureDataset?: string
  readonly sharpness?: number
  readonly onnx?: Uint8Array
}

async function deploy(name: string, { sharpness, onnx, ...options }: DeployOptions = {}) {
  const { store } = temporary
  const { model } = await registerTiny(store, { ...(sharpness && { sharpness }), ...(onnx && { onnx }) })
  const ctx = { store, signal: new AbortController().signal, progress: () => undefined }
  const host = createProcessServiceHost({ store, gatewayUrl: gateway.url })
  return deployEndpoint({ name, model, replicas: 1, queueLimit: 256, captureBytes: 0, ...options }, ctx, host)
}

const infer = (endpoint: string, body: Bytes | string, headers: Record<string, string> = {}) =>
  fetch(`${gateway.url}/v2/models/${endpoint}/infer`, { method: 'POST', body, headers })
const read = async (response: Response) => (await response.json()) as InferAnswer
const output = ({ outputs }: InferAnswer, name: string) => outputs.find((one) => one.name === name)!.data
const json = (value: unknown) => JSON.stringify(value)

beforeAll(async () => {
  temporary = await temporaryStore()
  gateway = await startGateway(temporary.directory, { GYRE_MODEL_THREADS: '1' })
})
afterAll(async () => {
  await gateway?.stop()
  await temporary?.remove()
})

describe('an endpoint', () => {
  beforeAll(() => deploy('colours'))

  it('classifies an image file under whatever content type it is sent', async () => {
    for (const type of [
      'application/x-www-form-urlencoded',
      'image/png',
      'application/octet-stream',
      'text/plain; charset=utf-8',
    ]) {
      const response = await infer('colours', green, { 'content-type': type })
      expect(response.status).toBe(200)
      const answer = await read(response)
      expect(answer).toMatchObject({ model_name: 'colours', model_version: '1' })
      expect(output(answer, 'class')).toEqual(['green'])
      tinyScores([0, 30, 0]).forEach((score, i) => expect(output(answer, 'scores')[i]).toBeCloseTo(score, 5))
    }
  })

  it('classifies pixels and base64 in JSON, and returns the id', async () => {
    const pixels = [...solidPixels([30, 0, 0], [0, 0, 30])]
    const tensor = { name: 'images', datatype: 'UINT8', shape: [2, 4, 4, 3], data: pixels }
    const answer = await read(await infer('colours', json({ id: 'a7', inputs: [tensor] })))
    expect(answer.id).toBe('a7')
    expect(output(answer, 'class')).toEqual(['red', 'blue'])
    const text = { name: 'images', datatype: 'BYTES', shape: [1], data: [Buffer.from(green).toString('base64')] }
    expect(output(await read(await infer('colours', json({ inputs: [text] }))), 'class')).toEqual(['green'])
  })

  it('speaks the binary extension in both directions', async () => {
    const pixels = solidPixels([30, 0, 0])
    const head = Buffer.from(
      json({
        inputs: [{ name: 'images', datatype: 'UINT8', shape: [1, 4, 4, 3], parameters: { binary_data_size: 48 } }],
        outputs: [{ name: 'scores', parameters: { binary_data: true } }, { name: 'class' }],
      }),
    )
    const response = await infer('colours', Buffer.concat([head, pixels]), {
      'inference-header-content-length': String(head.length),
      'content-type': 'application/octet-stream',
    })
    const body = Buffer.from(await response.arrayBuffer())
    const length = Number(response.headers.get('inference-header-content-length'))
    const answer = JSON.parse(body.subarray(0, length).toString()) as InferAnswer
    expect(answer.outputs.map(({ name }) => name)).toEqual(['scores', 'class'])
    expect(body.length - length).toBe(12)
    expect(body.readFloatLE(length)).toBeCloseTo(tinyScores([30, 0, 0])[0]!, 5)
  })

  it('takes one raw tensor without JSON, and a chunked body', async () => {
    const raw = await infer('colours', Buffer.from(solidPixels([0, 0, 30])), { 'inference-header-content-length': '0' })
    expect(raw.headers.get('content-type')).toBe('application/octet-stream')
    const chunked = await fetch(`${gateway.url}/v2/models/colours/infer`, {
      method: 'POST',
      body: new Blob([green]).stream(),
      duplex: 'half',
    } as RequestInit)
    expect(output(await read(chunked), 'class')).toEqual(['green'])
  })

  it('answers nothing about no image', async () => {
    const tensor = { name: 'images', datatype: 'UINT8', shape: [0, 4, 4, 3], data: [] }
    const answer = await read(await infer('colours', json({ inputs: [tensor] })))
    expect(answer.outputs.map(({ shape }) => shape)).toEqual([[0, 3], [0]])
  })

  it('tells where the time went', async () => {
    expect((await infer('colours', green)).headers.get('server-timing')).toMatch(
      /^read;dur=[\d.]+, queue;dur=[\d.]+, run;dur=[\d.]+$/,
    )
  })

  it('describes itself, with and without a version', async () => {
    for (const suffix of ['', '/versions/1']) {
      const base = `${gateway.url}/v2/models/colours${suffix}`
      expect(await (await fetch(base)).json()).toMatchObject({
        name: 'colours',
        versions: ['1'],
        platform: 'onnx_onnxv1',
      })
      expect(await (await fetch(`${base}/ready`)).json()).toEqual({ name: 'colours', ready: true })
      expect((await fetch(`${base}/infer`, { method: 'POST', body: green })).status).toBe(200)
    }
  })

  it.each([
    ['an unknown endpoint', 'nobody/infer', green, {}, 404],
    ['an unknown version', 'colours/versions/9/infer', green, {}, 404],
    ['a version that is no number', 'colours/versions/x/infer', green, {}, 404],
    ['an unknown path', 'colours/nothing', green, {}, 404],
    ['text', 'colours/infer', Buffer.from('hello'), {}, 400],
    ['an empty body', 'colours/infer', Buffer.from(''), {}, 400],
    ['a truncated image', 'colours/infer', Buffer.from(green.subarray(0, 40)), {}, 400],
    [
      'a header length beyond the body',
      'colours/infer',
      Buffer.from('{}'),
      { 'inference-header-content-length': '99999999999' },
      400,
    ],
    [
      'a raw tensor of a broken length',
      'colours/infer',
      Buffer.alloc(47),
      { 'inference-header-content-length': '0' },
      400,
    ],
    ['250,000 open brackets', 'colours/infer', Buffer.from('{"inputs":' + '['.repeat(250_000)), {}, 400],
    ['a body of 33 MiB', 'colours/infer', Buffer.alloc(33 * 2 ** 20), {}, 413],
  ] as const)(
    'refuses %s with exactly {"error": string}, and lives on',
    async (_name, target, body, headers, status) => {
      const response = await fetch(`${gateway.url}/v2/models/${target}`, { method: 'POST', body, headers })
      expect(response.status).toBe(status)
      expect(await response.json()).toEqual({ error: expect.any(String) })
      expect((await fetch(`${gateway.url}/v2/health/live`)).status).toBe(200)
    },
  )

  it('lets a client send all of a body that is too large, so that it reads why', async () => {
    const answer = await sendAllThenRead(`${gateway.url}/v2/models/colours/infer`, 40 * 2 ** 20)
    expect(answer).toMatch(/^HTTP\/1.1 413 .*"the body is larger than 32 MiB; send fewer or smaller images"/s)
  })

  it('refuses what is no HTTP at all in the same form', async () => {
    const socket = net.connect(Number(new URL(gateway.url).port), '127.0.0.1')
    socket.end('nonsense\r\n\r\n')
    const chunks: Buffer[] = []
    for await (const chunk of socket as AsyncIterable<Buffer>) chunks.push(chunk)
    expect(Buffer.concat(chunks).toString()).toMatch(/^HTTP\/1.1 400 .*\{"error":"this is no HTTP request"\}$/s)
  })

  it('fails only the request whose image is broken', async () => {
    const broken = Buffer.from(green.subarray(0, 40))
    const responses = await Promise.all([green, broken, green, broken, green].map((body) => infer('colours', body)))
    expect(responses.map(({ status }) => status)).toEqual([200, 400, 200, 400, 200])
  })

  it('is listed, healthy and measured', async () => {
    expect(await (await fetch(`${gateway.url}/v2`)).json()).toMatchObject({
      name: 'gyre',
      extensions: expect.arrayContaining(['binary_tensor_data']),
    })
    expect((await fetch(`${gateway.url}/v2/health/ready`)).status).toBe(200)
    const index = await (await fetch(`${gateway.url}/v2/repository/index`, { method: 'POST' })).json()
    expect(index).toContainEqual({ name: 'colours', version: '1', state: 'READY', reason: '' })
    expect(await (await fetch(`${gateway.url}/metrics`)).text()).toMatch(
      /gyre_gateway_requests_total\{endpoint="colours",code="200"\} \d+/,
    )
  })

  it('hides what is for this machine alone from those who come through a proxy', async () => {
    const response = await fetch(`${gateway.url}/internal/endpoints/colours`, {
      headers: { 'x-forwarded-for': '10.0.0.1' },
    })
    expect(response.status).toBe(403)
  })
})

describe('an endpoint under more load than it can carry', () => {
  it('refuses early with Retry-After, and answers all that it accepted', async () => {
    await deploy('slow', { onnx: slowOnnx(), queueLimit: 4 })
    const responses = await Promise.all(Array.from({ length: 60 }, () => infer('slow', green)))
    const refused = responses.filter(({ status }) => status === 503)
    const accepted = responses.filter(({ status }) => status === 200)
    expect(refused.length + accepted.length).toBe(60)
    expect(refused.length).toBeGreaterThan(0)
    expect(accepted.length).toBeGreaterThan(0)
    for (const response of refused) {
      expect(Number(response.headers.get('retry-after'))).toBeGreaterThanOrEqual(1)
      expect(await response.json()).toEqual({ error: expect.stringContaining('try again in') })
    }
    for (const response of accepted) expect(output(await read(response), 'class')).toEqual(['green'])
  })

  it('refuses a request whose own deadline it would miss', async () => {
    const tensor = { name: 'images', datatype: 'UINT8', shape: [200, 4, 4, 3], data: [...new Uint8Array(200 * 48)] }
    const long = infer('slow', json({ inputs: [tensor] }))
    await until(async () => {
      const hurried = {
        inputs: [{ ...tensor, shape: [1, 4, 4, 3], data: tensor.data.slice(0, 48) }],
        parameters: { timeout: 1 },
      }
      return (await infer('slow', json(hurried))).status === 503
    })
    expect((await long).status).toBe(200)
  })
})

/** Sends at a steady rate, whatever the answers do, until told to stop. */
function steadyLoad(endpoint: string, perSecond: number) {
  const answers: Promise<{ status: number; revision: string }>[] = []
  const send = async () => {
    const response = await infer(endpoint, green)
    const body = (await response.json()) as Partial<InferAnswer>
    return { status: response.status, revision: body.model_version ?? '' }
  }
  const timer = setInterval(
    () => answers.push(send().catch((error: Error) => ({ status: 0, revision: error.message }))),
    1000 / perSecond,
  )
  return {
    sent: () => answers.length,
    async stop() {
      clearInterval(timer)
      return Promise.all(answers)
    },
  }
}

describe('no request is lost', () => {
  it('while revision after revision is rolled out and retired at 100 requests per second', async () => {
    await deploy('rolling', { replicas: 2, sharpness: 0.1 })
    const host = createProcessServiceHost({ store: temporary.store, gatewayUrl: gateway.url })
    const load = steadyLoad('rolling', 100)
    await deploy('rolling', { replicas: 2, sharpness: 0.2 })
    await host.retire('rolling', 1)
    await deploy('rolling', { replicas: 1, sharpness: 0.3 })
    await host.retire('rolling', 2)
    await until(async () => (await host.status('rolling')).length === 1)
    await until(() =>
      replicaPids(gateway, 'rolling')
        .slice(0, 4)
        .every((pid) => !isRunning(pid)),
    )
    const answers = await load.stop()
    expect(answers.filter(({ status }) => status !== 200)).toEqual([])
    const revisions = answers.map(({ revision }) => Number(revision))
    expect(new Set(revisions)).toEqual(new Set([1, 2, 3]))
  })

  it('when a replica is killed in the middle of them', async () => {
    await deploy('killed', { replicas: 2 })
    const load = steadyLoad('killed', 100)
    await until(() => load.sent() > 50)
    process.kill(replicaPids(gateway, 'killed')[0]!, 'SIGKILL')
    await until(() => replicaPids(gateway, 'killed').length === 3)
    const sentBefore = load.sent()
    await until(() => load.sent() > sentBefore + 50)
    expect((await load.stop()).filter(({ status }) => status !== 200)).toEqual([])
  })

  it('when the only replica is killed: they wait for the next one', async () => {
    await deploy('single')
    process.kill(replicaPids(gateway, 'single')[0]!, 'SIGKILL')
    const responses = await Promise.all(Array.from({ length: 20 }, () => infer('single', green)))
    expect(responses.map(({ status }) => status)).toEqual(Array(20).fill(200))
  })

  it('when somebody asks a replica to end', async () => {
    await deploy('asked', { replicas: 2 })
    const load = steadyLoad('asked', 100)
    await until(() => load.sent() > 20)
    process.kill(replicaPids(gateway, 'asked')[0]!, 'SIGTERM')
    await until(() => replicaPids(gateway, 'asked').length === 3)
    expect((await load.stop()).filter(({ status }) => status !== 200)).toEqual([])
  })
})

describe('capture', () => {
  it('keeps predicted images up to its budget', async () => {
    const pictures = await Promise.all([10, 20, 30, 40].map((level) => picture(level, 0, 0)))
    const captureBytes = pictures[0]!.length * 2
    await deploy('capturing', { captureBytes, captureDataset: 'd' })
    for (const body of [...pictures, ...pictures]) await infer('capturing', body)
    const kept: number[] = []
    await until(async () => {
      kept.splice(0)
      for await (const { sizeBytes } of capturedImages(temporary.store, 'captures/capturing/')) kept.push(sizeBytes)
      return kept.length >= 1
    })
    expect(kept.reduce((sum, bytes) => sum + bytes, 0)).toBeLessThanOrEqual(captureBytes)
  })
})

describe('an algorithm', () => {
  it('answers beside the scores, with its own parameters', async () => {
    const { store, directory } = temporary
    await registerTiny(store)
    const file = path.join(directory, 'loud.ts')
    await writeFile(
      file,
      `import { defineAlgorithm } from 'gyre/algorithm'
       import { z } from 'zod'
       export default defineAlgorithm({
         name: 'loud', model: 'm@1', params: z.object({ mark: z.string().default('!') }), output: z.object({ said: z.string() }),
         async predict(images, { model, params }) {
           const scores = await model.run(images)
           return Array.from({ length: scores.rows }, (_, i) => ({ said: model.classes[scores.row(i).indexOf(Math.max(...scores.row(i)))] + params.mark }))
         },
       })`,
    )
    const ctx = { store, signal: new AbortController().signal, progress: () => undefined }
    const host = createProcessServiceHost({ store, gatewayUrl: gateway.url })
    await deployAlgorithm({ file, params: { mark: '?' }, replicas: 1 }, ctx, host)
    const answer = await read(await infer('loud', green))
    expect(output(answer, 'class')).toEqual(['green'])
    expect(output(answer, 'result')).toEqual(['{"said":"green?"}'])
  })
})

describe('a gateway', () => {
  it('serves every other endpoint when the record of one is damaged', async () => {
    await temporary.store.create('endpoints/damaged/revisions/0000000001.json', Buffer.from('{'))
    const healthy = await deploy('healthy')
    expect(await predictImage(healthy.url, 'healthy', green)).toMatchObject({ class: 'green' })
  })

  it('that is killed takes its replicas with it, and the next one brings every endpoint back', async () => {
    const own = await temporaryStore()
    const first = await startGateway(own.directory)
    const { model } = await registerTiny(own.store)
    const ctx = { store: own.store, signal: new AbortController().signal, progress: () => undefined }
    const host = createProcessServiceHost({ store: own.store, gatewayUrl: first.url })
    await deployEndpoint({ name: 'e', model, replicas: 2, queueLimit: 8, captureBytes: 0 }, ctx, host)
    const replicas = replicaPids(first, 'e')
    expect(replicas).toHaveLength(2)
    first.signal('SIGKILL')
    await first.ended
    await until(() => replicas.every((pid) => !isRunning(pid)))
    const second = await startGateway(own.directory)
    expect(await readGatewayUrl(own.store)).toBe(second.url)
    expect(await predictImage(second.url, 'e', green)).toMatchObject({ class: 'green' })
    await second.stop()
    expect(replicaPids(second, 'e').some(isRunning)).toBe(false)
    await own.remove()
  })

  it('ends when its parent hangs up', async () => {
    const own = await temporaryStore()
    const child = await startGateway(own.directory)
    child.hangUp()
    expect(await child.ended).toBe(0)
    await own.remove()
  })

  it('says that its port is taken', async () => {
    const own = await temporaryStore()
    const server = net.createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as net.AddressInfo
    await expect(startGateway(own.directory, { GYRE_PORT: String(port) })).rejects.toThrow(
      new RegExp(`ended with 4: .*port ${port}, asked for the gateway, is in use`),
    )
    server.close()
    await own.remove()
  })

  it('retires a revision that had no traffic for its warm time', async () => {
    const own = await temporaryStore()
    const child = await startGateway(own.directory, { GYRE_WARM_MS: '200' })
    const ctx = { store: own.store, signal: new AbortController().signal, progress: () => undefined }
    const host = createProcessServiceHost({ store: own.store, gatewayUrl: child.url })
    for (const sharpness of [0.1, 0.2]) {
      const { model } = await registerTiny(own.store, { sharpness })
      await deployEndpoint({ name: 'e', model, replicas: 1, queueLimit: 8, captureBytes: 0 }, ctx, host)
    }
    await until(async () => (await host.status('e')).length === 1)
    expect((await host.status('e'))[0]!.revision).toBe(2)
    await child.stop()
    await own.remove()
  })
})

describe('the threads that answer HTTP', () => {
  it.each(['gateway', 'inference'] as const)(
    'of the %s load neither a model runtime nor an image decoder',
    async (name) => {
      const seen = new Set<string>()
      const follow = async (file: string): Promise<void> => {
        if (seen.has(file)) return
        seen.add(file)
        const code = await readFile(file, 'utf8')
        for (const [, source = ''] of code.matchAll(/^(?:import|export)\s[^;]*?["']([^"']+)["'];?$/gm))
          if (source.startsWith('.')) await follow(path.resolve(path.dirname(file), source))
          else seen.add(source)
      }
      await follow(entryPoint(name))
      expect(seen).toContain('zod')
      expect([...seen].filter((source) => ['onnxruntime-node', 'sharp', '@duckdb/node-api'].includes(source))).toEqual(
        [],
      )
    },
  )
})

it('health stays quick while models run', async () => {
  await deploy('busy', { onnx: slowOnnx() })
  const load = steadyLoad('busy', 40)
  const times: number[] = []
  while (times.length < 50) {
    const started = performance.now()
    await fetch(`${gateway.url}/v2/health/live`)
    times.push(performance.now() - started)
    await delay(5)
  }
  await load.stop()
  expect(times.toSorted((a, b) => a - b)[25]).toBeLessThan(100)
})
