/** Runs a model before anybody may rely on it: the registry refuses one that does not give its trainer's own answers. */

import { randomBytes } from 'node:crypto'
import { PlatformError, toPlatformError } from '#core/errors'
import type { InferenceSession, OpenSession, TensorSignature } from '#core/inference'
import type { TrainedModel } from '#core/steps'
import { readBlob, type ObjectStore } from '#core/storage'
import { modelDescription, type ModelDescription } from './record.ts'

/** Scores are equal on one processor type; another one rounds differently, and never by more than this. */
const SCORE_TOLERANCE = 1e-3
const TRIAL_BATCH = 3

/**
 * @returns the model's description, as its trainer wrote it.
 * @throws {PlatformError} `MODEL_REFUSED` when signature, classes or golden scores do not hold.
 */
export async function verifyModel(
  store: ObjectStore,
  model: TrainedModel,
  openSession: OpenSession,
): Promise<ModelDescription> {
  const description = await readDescription(store, model)
  const session = await openSession(await readBlob(store, model.onnx)).catch((error: unknown) => {
    throw refused(model, toPlatformError(error).message, error)
  })
  try {
    checkSignature(session, model)
    if (description.golden) await checkGolden(store, session, model, description.golden)
    else await runTrial(session, model)
  } finally {
    await session.release()
  }
  return description
}

async function readDescription(store: ObjectStore, model: TrainedModel): Promise<ModelDescription> {
  const parsed = modelDescription.safeParse(
    JSON.parse(Buffer.from(await readBlob(store, model.description)).toString()),
  )
  if (!parsed.success) throw refused(model, `model.json is not usable: ${parsed.error.issues[0]?.message ?? 'unknown'}`)
  if (parsed.data.classes.join('\0') !== model.classes.join('\0'))
    throw refused(
      model,
      `model.json has the classes ${parsed.data.classes.join(', ')}, not ${model.classes.join(', ')}`,
    )
  return parsed.data
}

function checkSignature(session: InferenceSession, model: TrainedModel): void {
  const { height, width } = model.inputSize
  expectTensor(model, session.inputs, { name: 'images', type: 'uint8', dims: [-1, height, width, 3] })
  expectTensor(model, session.outputs, { name: 'scores', type: 'float32', dims: [-1, model.classes.length] })
}

/** A free dimension in the file fits any; the batch must be free, or requests could not be batched. */
function expectTensor(model: TrainedModel, found: readonly TensorSignature[], expected: TensorSignature): void {
  const [tensor] = found
  const fits =
    found.length === 1 &&
    tensor?.name === expected.name &&
    tensor.type === expected.type &&
    tensor.dims.length === expected.dims.length &&
    tensor.dims.every((dim, i) => dim === -1 || (i > 0 && dim === expected.dims[i]))
  if (!fits) throw refused(model, `it has ${found.map(shown).join(' and ')} where ${shown(expected)} is needed`)
}

function shown({ name, type, dims }: TensorSignature): string {
  return `${name}: ${type} [${dims.map((dim) => (dim === -1 ? 'N' : dim)).join(', ')}]`
}

async function checkGolden(
  store: ObjectStore,
  session: InferenceSession,
  model: TrainedModel,
  golden: NonNullable<ModelDescription['golden']>,
): Promise<void> {
  const pixels = await readBlob(store, golden.pixels.sha256)
  const scores = await runModel(session, model, pixels, golden.scores.length)
  const expected = golden.scores.flat()
  if (expected.length !== scores.length)
    throw refused(model, `it gives ${scores.length} golden scores where model.json has ${expected.length}`)
  const worst = expected.reduce((most, score, i) => Math.max(most, Math.abs(score - (scores[i] ?? NaN))), 0)
  if (!(worst <= SCORE_TOLERANCE))
    throw refused(model, `a golden score differs by ${worst.toExponential(1)}; at most ${SCORE_TOLERANCE} is allowed`)
}

async function runTrial(session: InferenceSession, model: TrainedModel): Promise<void> {
  const { height, width } = model.inputSize
  await runModel(session, model, new Uint8Array(randomBytes(TRIAL_BATCH * height * width * 3)), TRIAL_BATCH)
}

/** @returns float32 [n, C], every row a probability distribution. */
async function runModel(
  session: InferenceSession,
  model: TrainedModel,
  pixels: Uint8Array,
  n: number,
): Promise<Float32Array> {
  const { height, width } = model.inputSize
  if (pixels.length !== n * height * width * 3)
    throw refused(model, `its ${n} golden images have ${pixels.length} bytes, not ${n * height * width * 3}`)
  const outputs = await session
    .run({ images: { type: 'uint8', data: pixels, dims: [n, height, width, 3] } })
    .catch((error: unknown) => {
      throw refused(model, toPlatformError(error).message, error)
    })
  const scores = outputs['scores']?.data as Float32Array
  const classes = model.classes.length
  for (let row = 0; row < n; row++) {
    const sum = scores.subarray(row * classes, (row + 1) * classes).reduce((total, score) => total + score, 0)
    if (!(Math.abs(sum - 1) <= SCORE_TOLERANCE))
      throw refused(model, `the scores of one image sum to ${sum}, not to 1 (probabilities are needed)`)
  }
  return scores
}

function refused(model: TrainedModel, reason: string, cause?: unknown): PlatformError {
  return new PlatformError(
    'MODEL_REFUSED',
    `model ${model.digest.slice(0, 12)} was refused: ${reason}; train or export it again`,
    { digest: model.digest },
    { cause },
  )
}
