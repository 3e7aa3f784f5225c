import { pixelMatrix, readPixelRows } from '#core/datasets'
import type { StepContext } from '#core/execution'
import type { DatasetVersion, TrainedModel } from '#core/steps'
import { openClassifier, type Verdict } from './classifier.ts'

/** Images in one run of the model: a fraction of a second, so that a cancel is noticed soon. */
const RUN_IMAGES = 16

export interface RowsQuestion {
  readonly model: TrainedModel
  readonly version: DatasetVersion
  /** Rows of the version, ascending. */
  readonly rows: readonly number[]
}

/** Runs a model on some images of a version, on the very pixels that training saw. @returns row → answer. */
export async function answerRows(
  { model, version, rows }: RowsQuestion,
  ctx: Pick<StepContext, 'store' | 'scratchDir' | 'signal' | 'progress'>,
): Promise<ReadonlyMap<number, Verdict>> {
  const { signal } = ctx
  const matrix = await pixelMatrix(ctx, version, model.inputSize)
  async function* batches(): AsyncGenerator<Uint8Array> {
    for (let start = 0; start < rows.length; start += RUN_IMAGES)
      yield await readPixelRows(matrix, rows.slice(start, start + RUN_IMAGES))
  }
  const classifier = await openClassifier(ctx.store, model, rows.length)
  try {
    const answers = new Map<number, Verdict>()
    for await (const verdicts of classifier.classify(batches(), { signal })) {
      for (const verdict of verdicts) answers.set(rows[answers.size]!, verdict)
      ctx.progress({
        done: answers.size,
        total: rows.length,
        unit: 'images',
        note: `model ${model.digest.slice(0, 12)}`,
      })
    }
    return answers
  } finally {
    await classifier.close()
  }
}
