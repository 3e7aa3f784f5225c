/**
 * Takes what people and models said in another tool into a dataset: people's word as imported labels, tags and boxes, a
 * model's as predictions. A prediction is no label: no session counts it, trains on it or keeps it; it steers the first
 * screens of the next one. A person's word that the dataset holds already gives way to another person's, never to a model's.
 */
import { readFile, stat } from 'node:fs/promises'
import { isAbsolute } from 'node:path'
import { commitChange, openVersion, type Box, type ImageFacts, type ImageLabel, type LabelSchema } from '#core/datasets'
import { PlatformError } from '#core/errors'
import type { StepContext } from '#core/execution'
import type { importAnnotations as importStep, StepInput, StepOutput } from '#core/steps'
import { readCvat } from './cvat.ts'
import type { ForeignBox, ForeignFile, ForeignImage } from './foreign.ts'
import { readLabelStudio } from './label-studio.ts'
import { ImageNames } from './match.ts'

type Input = StepInput<typeof importStep>

const MOST_BYTES = 500 * 2 ** 20
const MOST_NOTES = 20

/**
 * @throws {PlatformError} `DATASET_SOURCE_NOT_FOUND`, `ANNOTATIONS_UNREADABLE`; `INVALID_INPUT` where no image of the
 *   file is one of the version's.
 */
export async function importAnnotations(input: Input, ctx: StepContext): Promise<StepOutput<typeof importStep>> {
  const { version, file } = input
  const foreign = await readAnnotations(input)
  const reader = await openVersion(ctx.store, version)
  const [facts, rows] = [await reader.facts(), await reader.labels()]
  ctx.signal.throwIfAborted()
  const names = new ImageNames(facts)
  const rowOf = new Map(rows.map((row) => [row.digest, row]))
  const task = reader.schema?.task ?? (foreign.images.some(hasSeveral) ? 'multi' : 'single')
  const labels = new Map<string, ImageLabel>()
  const boxes = new Map<string, Omit<Box, 'digest' | 'number'>[]>()
  const counts = { matched: 0, labelled: 0, predicted: 0, boxes: 0, unmatched: 0 }
  for (const image of foreign.images) {
    const match = names.find(image.name)
    if ('trouble' in match) {
      counts.unmatched++
      foreign.notes.add(TROUBLES[match.trouble], image.name)
      continue
    }
    counts.matched++
    const { digest } = match.image
    const before = labels.get(digest) ?? rowOf.get(digest)!
    const after = labelled(before, image, task)
    if (after === 'several')
      foreign.notes.add('an image has several classes, and the dataset holds one each', image.name)
    else if (after) {
      labels.set(digest, after)
      counts[image.by === 'people' ? 'labelled' : 'predicted']++
    }
    if (image.boxes) {
      boxes.set(
        digest,
        image.boxes.map((box) => inPixels(box, match.image, image.by)),
      )
      counts.boxes += image.boxes.length
    }
  }
  if (counts.matched === 0)
    throw new PlatformError(
      'INVALID_INPUT',
      `none of the ${foreign.images.length} images of ${file} is in ${version.dataset}; the first is called "${foreign.images[0]!.name.slice(0, 200)}"`,
      { file, dataset: version.dataset },
    )
  const note = `annotations of ${counts.matched} images from another tool`
  const change = { labels: labels.values(), boxes }
  const { version: made } = await commitChange(ctx.store, version, change, {
    ...{ by: ctx.runId, note, scratchDir: ctx.scratchDir },
  })
  return { ...made, ...counts, classes: [...foreign.classes], notes: foreign.notes.sentences().slice(0, MOST_NOTES) }
}

const TROUBLES = {
  unknown: 'an image of the file is not in the dataset',
  ambiguous: 'several images of the dataset have the name that the file gives',
} as const

async function readAnnotations({ file, format, control }: Input): Promise<ForeignFile> {
  if (!isAbsolute(file))
    throw new PlatformError('INVALID_INPUT', `file ${file} is no absolute path of the worker's machine`, { file })
  const facts = await stat(file).catch((cause: unknown) => {
    throw new PlatformError('DATASET_SOURCE_NOT_FOUND', `nothing is at ${file}`, { file }, { cause })
  })
  if (!facts.isFile() || facts.size > MOST_BYTES)
    throw new PlatformError(
      'ANNOTATIONS_UNREADABLE',
      facts.isFile() ? `${file} has ${facts.size} bytes; at most ${MOST_BYTES} are read` : `${file} is no file`,
      { file },
    )
  const bytes = await readFile(file)
  const start = bytes
    .subarray(0, 64)
    .toString('latin1')
    .replace(/^\xef\xbb\xbf/, '')
    .trimStart()
  if (start.startsWith('PK'))
    throw new PlatformError('ANNOTATIONS_UNREADABLE', `${file} is an archive; unpack it and give its annotations.xml`, {
      file,
    })
  const isXml = format === 'auto' ? start.startsWith('<') : format === 'cvat'
  return isXml ? readCvat(bytes.toString('utf8')) : readLabelStudio(bytes, control)
}

function hasSeveral({ classes }: ForeignImage): boolean {
  return (classes?.length ?? 0) > 1
}

/** @returns null where nothing changes. */
function labelled(before: ImageLabel, image: ForeignImage, task: LabelSchema['task']): ImageLabel | 'several' | null {
  const { classes, by } = image
  if (classes === null || (by === 'model' && before.humanSeen)) return null
  if (task !== 'multi' && classes.length > 1) return 'several'
  if (task !== 'multi' && classes.length === 0) return null
  const account =
    by === 'people'
      ? { origin: 'imported' as const, humanSeen: true, excluded: null }
      : { origin: 'predicted' as const, humanSeen: false }
  const said = task === 'multi' ? { tags: [...new Set(classes)].sort() } : { label: classes[0]! }
  return { ...before, ...said, ...account }
}

/** To a thousandth of a pixel: shares come in many digits that mean nothing. */
function inPixels(
  { class: name, unit, ...corners }: ForeignBox,
  { width, height }: Pick<ImageFacts, 'width' | 'height'>,
  by: ForeignImage['by'],
): Omit<Box, 'digest' | 'number'> {
  const rounded = (value: number): number => Math.round(value * 1_000) / 1_000
  const [across, down] = unit === 'share' ? [width, height] : [1, 1]
  return {
    class: name,
    ...{ x: rounded(corners.x * across), y: rounded(corners.y * down) },
    ...{ width: rounded(corners.width * across), height: rounded(corners.height * down) },
    ...{ attributes: null, origin: by === 'people' ? 'imported' : 'predicted' },
  }
}
