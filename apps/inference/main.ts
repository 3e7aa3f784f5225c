/**
 * One replica of one revision: loads and warms the model, answers the Open Inference Protocol, drains and ends.
 *
 * Says one JSON line on standard output at each turn of its life: `{"listening":true,"port":n}`, `{"ready":true,"port":n}`,
 * `{"draining":true}`, `{"fatal":"why it cannot start"}`. Ends by itself when its parent's pipe closes.
 */

import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { PlatformError, toPlatformError } from '#core/errors'
import { createLogger } from '#core/log'
import { readVersion } from '#core/registry'
import {
  Batcher,
  bestClass,
  CaptureWriter,
  endWithParent,
  imageCount,
  readRevision,
  RequestGauge,
  type ImageBatch,
  type Predictions,
  type ServedModel,
} from '#core/serving'
import { openStore } from '#core/storage'
import { readConfig, type InferenceConfig } from './config.ts'
import { ReplicaMetrics } from './metrics.ts'
import { ModelPool } from './model-pool.ts'
import { buildServer } from './server.ts'

const DRAIN_LIMIT_MS = 30_000
/** Longest wait for a batch that runs when the parent is gone. */
const ORPHAN_LIMIT_MS = 2_000

const log = createLogger('inference')

/** How it ends. Set from the start: as the first process of a container it would take no notice of signals otherwise. */
let stop = (): void => process.exit(0)
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop())

try {
  await serve(readConfig(process.env))
} catch (error) {
  const { code, message } = toPlatformError(error)
  log.error({ err: error }, 'the replica cannot start')
  say({ fatal: message, code })
  process.exit(1)
}

async function serve(config: InferenceConfig): Promise<void> {
  const store = await openStore(config.store.uri, { project: config.store.project })
  const revision = await readRevision(store, config.endpoint, config.revision)
  const { name, version } = revision.model
  const record = await readVersion(store, name, version)
  if (!record)
    throw new PlatformError(
      'MODEL_NOT_FOUND',
      `revision ${config.revision} needs model ${name}@${version}, which is not in the registry`,
    )
  if (record.digest !== revision.model.digest)
    throw new PlatformError(
      'OBJECT_CORRUPT',
      `model ${name}@${version} has digest ${record.digest.slice(0, 12)}, but revision ${config.revision} was made for ${revision.model.digest.slice(0, 12)}; restore the registry from a backup`,
    )
  const { classes, inputSize, onnx } = record.model
  const model: ServedModel = {
    endpoint: config.endpoint,
    revision: config.revision,
    model: `${name}@${version}`,
    digest: record.digest,
    classes,
    inputSize,
    hasAlgorithm: revision.algorithm !== null,
  }
  const captures = new CaptureWriter({
    store,
    endpoint: config.endpoint,
    revision: config.revision,
    replica: config.replica,
    replicas: revision.replicas,
    budgetBytes: revision.captureDataset === null ? 0 : revision.captureBytes,
  })
  const pool = new ModelPool(
    {
      store: config.store,
      onnx: onnx.sha256,
      classes,
      inputSize,
      maxBatch: config.maxBatch,
      algorithm: revision.algorithm,
    },
    config.modelThreads,
    (error) => {
      log.fatal({ err: error }, 'a model thread died')
      process.exit(1)
    },
  )
  const batcher = new Batcher<ImageBatch, Predictions>({
    run: (requests) => pool.predict(requests),
    images: imageCount,
    lanes: config.modelThreads,
    maxBatch: config.maxBatch,
    queueLimit: revision.queueLimit,
    deadlineMs: config.deadlineMs,
  })
  const state = { ready: false, draining: false }
  const app = buildServer({
    model,
    batcher,
    metrics: new ReplicaMetrics({ endpoint: model.endpoint, revision: String(model.revision) }, () => batcher.waiting),
    log,
    isReady: () => state.ready,
    isDraining: () => state.draining,
    onPredicted: (batch, predictions) => capture(captures, classes, batch, predictions),
  })
  await app.listen({ host: config.host, port: config.port })
  const { port } = app.server.address() as AddressInfo
  say({ listening: true, port })

  // A thread that runs a model must not be cut off by an ordinary exit: that aborts with a core dump.
  endWithParent(
    () => void Promise.race([batcher.idle(), delay(ORPHAN_LIMIT_MS)]).then(() => process.kill(process.pid, 'SIGKILL')),
  )
  const traffic = new RequestGauge(app.server)
  const drain = async () => {
    if (state.draining) return
    state.draining = true
    say({ draining: true })
    await traffic.quiet({ quietMs: config.drainQuietMs, limitMs: DRAIN_LIMIT_MS })
    await app.close()
    await pool.close()
    process.exit(0)
  }
  stop = () => void drain()

  for (const { images, ms } of await pool.ready()) batcher.learn(images, ms)
  state.ready = true
  say({ ready: true, port })
}

function capture(writer: CaptureWriter, classes: readonly string[], batch: ImageBatch, { scores }: Predictions): void {
  if (batch.kind !== 'encoded') return
  batch.files.forEach((file, i) => {
    const row = scores.subarray(i * classes.length, (i + 1) * classes.length)
    const best = bestClass(row)
    writer
      .offer(file, { class: classes[best] ?? '', score: row[best] ?? 0 })
      .catch((error: unknown) => log.warn({ err: error }, 'a captured image was not kept'))
  })
}

function say(line: Readonly<Record<string, unknown>>): void {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}
