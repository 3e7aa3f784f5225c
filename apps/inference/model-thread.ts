/** One model thread: decodes images, runs the model, and nothing else. The only thread of a replica that loads ONNX Runtime. */

import { parentPort, workerData } from 'node:worker_threads'
import { openOnnxSession } from '#adapter/inference/onnx'
import { openAlgorithm, runnerOf, type RunAlgorithm } from '#core/algorithm'
import { PlatformError, toPlatformError } from '#core/errors'
import { decodePixels } from '#core/images'
import { openStore, readBlob, type ObjectStore } from '#core/storage'
import type { FromModelThread, ModelThreadData, PassedError, ToModelThread } from './messages.ts'
import { Predictor } from './predictor.ts'

const data = workerData as ModelThreadData
const port = parentPort ?? fail('a model thread is started by a replica')

try {
  await serve()
} catch (error) {
  send({ kind: 'fatal', error: passed(error) })
}

async function serve(): Promise<void> {
  const store = await openStore(data.store.uri, { project: data.store.project })
  const session = await openOnnxSession(await readBlob(store, data.onnx))
  const { inputSize, classes, maxBatch } = data
  const algorithm = data.algorithm && (await loadAlgorithm(store, data.algorithm))
  const predictor = new Predictor({ session, inputSize, classes, maxBatch, decode: decodePixels, algorithm })
  const warmUp = [await warm(predictor, 1), await warm(predictor, maxBatch), await warm(predictor, 1)]
  let last: Promise<unknown> = Promise.resolve()
  port.on('message', (message: ToModelThread) => {
    if (message.kind === 'predict') last = answer(predictor, message)
    else void last.then(() => session.release()).finally(() => port.close())
  })
  send({ kind: 'ready', warmUp: warmUp.slice(1) })
}

async function loadAlgorithm(
  store: ObjectStore,
  { bundle, params }: NonNullable<ModelThreadData['algorithm']>,
): Promise<RunAlgorithm> {
  return runnerOf(await openAlgorithm(await readBlob(store, bundle)), params)
}

/** The first run of a model takes several times as long as the later ones, so it happens before anybody waits for it. */
async function warm(predictor: Predictor, images: number): Promise<{ images: number; ms: number }> {
  const { height, width } = data.inputSize
  const started = performance.now()
  const pixels = new Uint8Array(images * height * width * 3)
  const [result] = await predictor.predict([{ kind: 'pixels', pixels, count: images }])
  if (result instanceof Error) throw result
  return { images, ms: performance.now() - started }
}

async function answer(
  predictor: Predictor,
  { id, requests }: Extract<ToModelThread, { kind: 'predict' }>,
): Promise<void> {
  try {
    const results = await predictor.predict(requests)
    send({
      kind: 'predicted',
      id,
      results: results.map((one) => (one instanceof Error ? { error: passed(one) } : one)),
    })
  } catch (error) {
    send({ kind: 'failed', id, error: passed(error) })
  }
}

function send(message: FromModelThread): void {
  port.postMessage(message)
}

function passed(error: unknown): PassedError {
  const { code, message } = toPlatformError(error)
  return { code, message }
}

function fail(message: string): never {
  throw new PlatformError('INTERNAL', message)
}
