/**
 * Measures a model honestly: on held-out images alone, and of these only on those that a person judged and that were
 * drawn at random for it. Labels that the engine accepted by itself never enter, nor do those of images that a person
 * saw because the engine found them interesting: both would flatter or slander the model.
 */

import { openVersion, type DatasetReader, type ImageLabel } from '#core/datasets'
import { isPlatformError, PlatformError } from '#core/errors'
import type { StepContext } from '#core/execution'
import { thumbnail } from '#core/images'
import { resolveModel, type ModelRecord } from '#core/registry'
import type { StepInput, StepOutput, evaluate as definition } from '#core/steps'
import { canonicalJson, putBlob, type ObjectStore } from '#core/storage'
import { answerRows } from './answer-rows.ts'
import type { Verdict } from './classifier.ts'
import { compare, measure, type Comparison, type JudgedAnswer } from './measure.ts'
import { reportPage } from './report-page.ts'
import type { Mistake, Report } from './report.ts'

type Input = StepInput<typeof definition>
type Context = Pick<StepContext, 'store' | 'scratchDir' | 'signal' | 'progress'>

const SHOWN_MISTAKES = 24
const THUMBNAIL_PIXELS = 160

/** A held-out image that takes part, and its row among all images of the version. */
interface HeldOut extends ImageLabel {
  readonly row: number
}

/**
 * @throws {PlatformError} `TOO_FEW_LABELS` when no held-out image has a label that may be used; `MODEL_NOT_FOUND` when
 *   the champion is named by its number and there is none (an alias that was never set means that there is no champion).
 */
export async function evaluate(input: Input, ctx: Context): Promise<StepOutput<typeof definition>> {
  const { model, version } = input
  const reader = await openVersion(ctx.store, version)
  const heldOut = await heldOutImages(reader)
  const judges = heldOut.filter(isFairJudge)
  if (judges.length === 0) throw tooFewLabels(reader, heldOut)

  const answers = await answerRows({ model, version, rows: heldOut.map(({ row }) => row) }, ctx)
  const judged = judge(judges, answers)
  const rival = await findChampion(ctx.store, input.champion)
  const comparison = rival && (await compareWith(rival, { input, judges, judged }, ctx))
  const report = await makeReport({ input, reader, heldOut, judged, rival, comparison })

  const pictures = await thumbnails(report.worst, reader)
  const lines = heldOut.map(({ digest, row }) => `${canonicalJson({ digest, ...answers.get(row)! })}\n`)
  return {
    kind: 'evaluation-report',
    model: model.digest,
    report: await putBlob(ctx.store, Buffer.from(canonicalJson(report))),
    html: await putBlob(ctx.store, Buffer.from(reportPage(report, pictures))),
    predictions: await putBlob(ctx.store, Buffer.from(lines.join(''))),
    images: report.images,
    humanSeen: report.humanSeen,
    accuracy: report.accuracy,
    interval: [...report.interval],
    perClass: [...report.perClass],
    beatsChampion: report.beatsChampion,
  }
}

async function heldOutImages(reader: DatasetReader): Promise<readonly HeldOut[]> {
  const labels = await reader.labels()
  return labels
    .map((label, row) => ({ ...label, row }))
    .filter(({ split, excluded }) => split === 'test' && excluded === null)
}

/** Imported labels count as seen and as drawn: they were there before any model looked. */
function isFairJudge({ label, humanSeen, randomDraw }: ImageLabel): boolean {
  return label !== null && humanSeen && randomDraw
}

function tooFewLabels({ version }: DatasetReader, heldOut: readonly HeldOut[]): PlatformError {
  const labelled = heldOut.filter(({ label }) => label !== null).length
  return new PlatformError(
    'TOO_FEW_LABELS',
    `of the ${heldOut.length} held-out images of ${version.dataset}, ${labelled} have a label and none of these was ` +
      `judged by a person after a random draw; at least 1 is needed, so label some more`,
    { heldOut: heldOut.length, labelled },
  )
}

function judge(judges: readonly HeldOut[], answers: ReadonlyMap<number, Verdict>): readonly JudgedAnswer[] {
  return judges.map(({ digest, label, row }) => ({ digest, expected: label!, ...answers.get(row)! }))
}

/** @returns null where there is no champion yet. */
async function findChampion(store: ObjectStore, reference: string | undefined): Promise<ModelRecord | null> {
  if (reference === undefined) return null
  try {
    return await resolveModel(store, reference)
  } catch (error) {
    const isNumber = /@\d+$/.test(reference)
    if (!isNumber && isPlatformError(error) && error.code === 'MODEL_NOT_FOUND') return null
    throw error
  }
}

interface Judged {
  readonly input: Input
  readonly judges: readonly HeldOut[]
  readonly judged: readonly JudgedAnswer[]
}

/** The champion answers the same images, with its own eyes: its input size and its classes. */
async function compareWith(rival: ModelRecord, { input, judges, judged }: Judged, ctx: Context): Promise<Comparison> {
  if (rival.digest === input.model.digest) return compare(judged, judged, input.minGain)
  const rows = judges.map(({ row }) => row)
  const answers = await answerRows({ model: rival.model, version: input.version, rows }, ctx)
  return compare(judged, judge(judges, answers), input.minGain)
}

interface Findings extends Omit<Judged, 'judges'> {
  readonly reader: DatasetReader
  readonly heldOut: readonly HeldOut[]
  readonly rival: ModelRecord | null
  readonly comparison: Comparison | null
}

async function makeReport({ input, reader, heldOut, judged, rival, comparison }: Findings): Promise<Report> {
  const { model, version, minGain } = input
  const { accuracy, interval, perClass, confusion, calibration, mistakes } = measure(judged, model.classes)
  return {
    model: { digest: model.digest, trainer: model.trainer, classes: model.classes },
    dataset: { dataset: version.dataset, version: version.version },
    images: heldOut.length,
    humanSeen: judged.length,
    labelsLeftOut: heldOut.filter(({ label }) => label !== null).length - judged.length,
    accuracy,
    interval,
    perClass,
    confusion,
    calibration,
    worst: await withSources(mistakes.slice(0, SHOWN_MISTAKES), reader),
    mistakes: mistakes.length,
    minGain,
    champion: rival && comparison && { name: `${rival.name}@${rival.version}`, digest: rival.digest, ...comparison },
    beatsChampion: comparison?.beaten ?? true,
  }
}

async function withSources(mistakes: readonly JudgedAnswer[], reader: DatasetReader): Promise<readonly Mistake[]> {
  const sources = new Map((await reader.facts()).map(({ digest, source }) => [digest, source]))
  return mistakes.map((mistake) => ({ ...mistake, source: sources.get(mistake.digest)! }))
}

async function thumbnails(mistakes: readonly Mistake[], reader: DatasetReader): Promise<ReadonlyMap<string, string>> {
  const pictures = new Map<string, string>()
  for await (const { digest, bytes } of reader.images(mistakes.map(({ digest }) => digest))) {
    const picture = await thumbnail(bytes, THUMBNAIL_PIXELS)
    pictures.set(digest, `data:image/webp;base64,${Buffer.from(picture).toString('base64')}`)
  }
  return pictures
}
