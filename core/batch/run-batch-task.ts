/**
 * Runs a registered model, or an algorithm over one, over a folder or a dataset. Durable and resumable: the model and the images are pinned first,
 * then worked through in shards, each stored as soon as it is done. An attempt after a crash, a cancel or a mended
 * fault does only the shards that are missing, and gives the same results.
 */

import { algorithmParams, openAlgorithm, outputFields } from '#core/algorithm'
import { PlatformError } from '#core/errors'
import { openClassifier } from '#core/evaluation'
import type { StepContext } from '#core/execution'
import { resolveModel, type ModelRecord } from '#core/registry'
import type { StepInput, StepOutput, runBatchTask as definition } from '#core/steps'
import { putBlob, readBlob, type ObjectStore } from '#core/storage'
import { openAlgorithmClassifier } from './algorithm-classifier.ts'
import { classifyShard } from './classify-shard.ts'
import {
  createOnce,
  finishedShards,
  listingKey,
  outcomeKey,
  readOrNull,
  taskKey,
  writeShard,
  type BatchItem,
  type BatchListing,
  type BatchOutcome,
  type BatchTask,
} from './records.ts'
import { writeResults } from './results.ts'
import { listItems, openReader, resolveSource, type ReadItem } from './sources.ts'

type Input = StepInput<typeof definition>
type Context = Pick<StepContext, 'store' | 'runId' | 'nodeId' | 'scratchDir' | 'signal' | 'progress'>

/**
 * @throws {PlatformError} `INVALID_INPUT` unless exactly one of `source` and `dataset` and one of `model` and `algorithm` is
 *   given, and for a wrong parameter; `ALGORITHM_INVALID`; `MODEL_NOT_FOUND`; `DATASET_SOURCE_NOT_FOUND`, `DATASET_EMPTY`, `DATASET_NOT_FOUND`.
 */
export async function runBatchTask(input: Input, ctx: Context): Promise<StepOutput<typeof definition>> {
  const { store } = ctx
  const task = await pinTask(input, ctx)
  const outcome =
    (await readOrNull<BatchOutcome>(store, outcomeKey(task.id))) ??
    (await createOnce(store, outcomeKey(task.id), await carryOut(task, ctx)))
  const { images, failures, results } = outcome
  return { kind: 'batch-results', id: task.id, model: task.model, images, failed: failures.count, results }
}

/** The run's own id names the task; further tasks of one run add the node's. */
async function pinTask(input: Input, { store, runId, nodeId }: Context): Promise<BatchTask> {
  for (const id of [runId, `${runId}.${nodeId}`]) {
    const existing = await readOrNull<BatchTask>(store, taskKey(id))
    const task =
      existing ?? (await createOnce(store, taskKey(id), await describeTask(input, { store, id, runId, nodeId })))
    if (task.node === nodeId) return task
  }
  throw new PlatformError('INTERNAL', `batch task ${runId}.${nodeId} belongs to another node`)
}

async function describeTask(
  { model, algorithm, source, dataset, shardSize }: Input,
  { store, id, runId, nodeId }: Pick<Context, 'store' | 'runId' | 'nodeId'> & { id: string },
): Promise<BatchTask> {
  const subject = await resolveSubject(store, { model, algorithm })
  const { name, version, digest } = await resolveModel(store, subject.model)
  return {
    id,
    run: runId,
    node: nodeId,
    model: { kind: 'model-version', name, version, digest },
    ...(subject.algorithm ? { algorithm: subject.algorithm } : {}),
    source: await resolveSource(store, { source, dataset }),
    shardSize,
    startedAt: new Date().toISOString(),
  }
}

/** The model that is run, and the algorithm that speaks about it where one was given. */
async function resolveSubject(
  store: ObjectStore,
  { model, algorithm }: Pick<Input, 'model' | 'algorithm'>,
): Promise<{ readonly model: string; readonly algorithm?: NonNullable<BatchTask['algorithm']> }> {
  if ((model === undefined) === (algorithm === undefined))
    throw new PlatformError(
      'INVALID_INPUT',
      `a batch task needs a model or an algorithm, and got ${model === undefined ? 'neither' : 'both'}; give one of them`,
    )
  if (!algorithm) return { model: model! }
  const opened = await openAlgorithm(await readBlob(store, algorithm.bundle))
  algorithmParams(opened, algorithm.params)
  return { model: opened.model, algorithm: { ...algorithm, name: opened.name, fields: outputFields(opened) } }
}

async function carryOut(task: BatchTask, ctx: Context): Promise<BatchOutcome> {
  const { store, scratchDir, signal } = ctx
  const items = await frozenItems(task, store)
  const { model } = await resolveModel(store, `${task.model.name}@${task.model.version}`)
  const read = await openReader(store, task)
  await classifyMissing(task, items, { ...ctx, model, read })
  const shards = Math.ceil(items.length / task.shardSize)
  const facts = await writeResults({ store, task, shards, classes: model.classes.length, scratchDir, read, signal })
  return { ...facts, endedAt: new Date().toISOString() }
}

async function frozenItems(task: BatchTask, store: ObjectStore): Promise<readonly BatchItem[]> {
  const listing =
    (await readOrNull<BatchListing>(store, listingKey(task.id))) ??
    (await createOnce(store, listingKey(task.id), await writeListing(task, store)))
  return JSON.parse(Buffer.from(await readBlob(store, listing.items)).toString()) as BatchItem[]
}

async function writeListing(task: BatchTask, store: ObjectStore): Promise<BatchListing> {
  const items = await listItems(store, task)
  return { images: items.length, items: await putBlob(store, Buffer.from(JSON.stringify(items))) }
}

async function classifyMissing(
  { id, shardSize, algorithm }: BatchTask,
  items: readonly BatchItem[],
  { store, signal, progress, model, read }: Context & { model: ModelRecord['model']; read: ReadItem },
): Promise<void> {
  const finished = await finishedShards(store, id)
  const report = (done: number) => progress({ done, total: items.length, unit: 'images' })
  const shards = Array.from({ length: Math.ceil(items.length / shardSize) }, (_, shard) => {
    const start = shard * shardSize
    return { shard, items: items.slice(start, start + shardSize) }
  })
  const missing = shards.filter(({ shard }) => !finished.has(shard))
  let done = items.length - missing.reduce((sum, { items: part }) => sum + part.length, 0)
  report(done)
  if (missing.length === 0) return

  const left = items.length - done
  const classifier = algorithm
    ? await openAlgorithmClassifier(store, { model, algorithm }, left)
    : await openClassifier(store, model, left)
  try {
    for (const { shard, items: part } of missing) {
      const rows = await classifyShard(part, {
        classifier,
        inputSize: model.inputSize,
        read,
        signal,
        onProgress: (inShard) => report(done + inShard),
      })
      await writeShard(store, id, shard, rows)
      report((done += part.length))
    }
  } finally {
    await classifier.close()
  }
}
