/** An algorithm at work on many images: what it says of each is its row. It runs here, its model in threads of their own. */

import { openAlgorithm, runnerOf, scoresOf, type AlgorithmModel, type ImageTensor } from '#core/algorithm'
import { isPlatformError, type PlatformError } from '#core/errors'
import { openModelPool } from '#core/evaluation'
import { mapInOrder } from '#core/inference'
import type { Algorithm, TrainedModel } from '#core/steps'
import { readBlob, type ObjectStore } from '#core/storage'
import type { BatchClassifier } from './classify-shard.ts'
import type { BatchVerdict } from './records.ts'

export interface AlgorithmSubject {
  readonly model: Pick<TrainedModel, 'onnx' | 'classes' | 'inputSize'>
  readonly algorithm: Algorithm
}

/**
 * @param images - about how many there will be.
 * @throws {PlatformError} `ALGORITHM_INVALID`, `INVALID_INPUT` for a parameter, and as `openModelPool`.
 */
export async function openAlgorithmClassifier(
  store: ObjectStore,
  { model, algorithm }: AlgorithmSubject,
  images: number,
): Promise<BatchClassifier> {
  const { classes, inputSize } = model
  const run = runnerOf(await openAlgorithm(await readBlob(store, algorithm.bundle)), algorithm.params)
  const pool = await openModelPool(store, model, images)
  const callable: AlgorithmModel = {
    classes,
    async run({ data, count, height, width }) {
      // The pool takes the memory over, and an algorithm may want its images once more.
      const copy = { type: 'uint8' as const, data: data.slice(), dims: [count, height, width, 3] }
      const { scores } = await pool.run({ images: copy })
      return scoresOf(scores!.data as Float32Array, classes.length)
    },
  }
  const verdicts = async (data: Uint8Array): Promise<readonly BatchVerdict[]> => {
    const imageBytes = inputSize.height * inputSize.width * 3
    const judge = async (pixels: Uint8Array) => {
      const images: ImageTensor = { data: pixels, count: pixels.length / imageBytes, ...inputSize }
      return (await run(images, callable)).map((text) => verdictOf(JSON.parse(text)))
    }
    try {
      return await judge(data)
    } catch (error) {
      if (!isFault(error)) throw error
    }
    // One image is at fault, so each is looked at alone.
    const alone = Array.from({ length: data.length / imageBytes }, (_, i) =>
      judge(data.slice(i * imageBytes, (i + 1) * imageBytes)).catch((error: unknown) => {
        if (isFault(error)) return [{ reason: error.message }]
        throw error
      }),
    )
    return (await Promise.all(alone)).flat()
  }
  return {
    classify: (batches, { signal }) => mapInOrder(batches, verdicts, { atOnce: 2 * pool.threads, signal }),
    close: () => pool.close(),
  }
}

function isFault(error: unknown): error is PlatformError {
  return isPlatformError(error) && error.code === 'ALGORITHM_FAILED'
}

/** The first text or truth value names the row, the first number sorts it. */
function verdictOf(output: unknown): BatchVerdict {
  const fields = typeof output === 'object' && output !== null ? Object.entries(output) : [['output', output] as const]
  const name = fields.find(([, value]) => typeof value === 'string' || typeof value === 'boolean' || value === null)
  const score = fields.find(([, value]) => typeof value === 'number')?.[1] as number | undefined
  const label = typeof name?.[1] === 'string' ? name[1] : name ? `${name[0]}: ${name[1] ?? 'none'}` : 'all'
  return { class: label, score: score ?? null, output }
}
