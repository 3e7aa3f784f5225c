/** What the tests of health share: textured images, sets of them as datasets, checks. */
import sharp, { type Sharp } from 'sharp'
import { inspectImage } from '#core/images'
import { checkHealth, readReport, type Finding, type FindingKind, type HealthReport } from '#core/health'
import { commitChange, readLatest, type ImageLabel, type Split, type StoredFacts } from '#core/datasets'
import type { checkHealth as step, DatasetVersion, StepInput } from '#core/steps'
import { putBlob } from '#core/storage'
import { stepContext, type TestContext } from '../imports/support.ts'
import { randomNumbers, scene } from '../../support/images.ts'

export interface Made {
  readonly width?: number
  readonly height?: number
  readonly format?: 'png' | 'jpeg'
  readonly camera?: string
  /** What is done to the picture before it is written. */
  readonly spoil?: (pixels: Sharp) => Sharp
}

/** A colourful picture with texture, of its own for each seed. */
export async function photo(
  seed: number,
  { width = 64, height = 48, format = 'png', camera, spoil = (pixels) => pixels }: Made = {},
): Promise<Buffer> {
  const draw = randomNumbers(seed + 1_000_000)
  const pixels = scene(seed, { width, height })
  for (let i = 0; i < pixels.length; i += 3) {
    const grain = Math.floor(60 * draw()) - 30
    for (let c = 0; c < 3; c++) pixels[i + c] = Math.max(0, Math.min(255, pixels[i + c]! + grain))
  }
  const image = spoil(sharp(pixels, { raw: { width, height, channels: 3 } })).toFormat(format)
  return (camera ? image.withExif({ IFD0: { Model: camera } }) : image).toBuffer()
}

export interface Shown {
  readonly bytes: Uint8Array
  readonly label: string | null
  readonly split?: Split
}

/** Commits images and their labels as a dataset: a first version, or one more that adds them. */
export async function datasetOf(
  { store, scratchDir }: TestContext,
  images: readonly Shown[],
  { dataset = 'things', measured = true }: { readonly dataset?: string; readonly measured?: boolean } = {},
): Promise<DatasetVersion> {
  const facts: StoredFacts[] = []
  const labels: ImageLabel[] = []
  for (const [i, { bytes, label, split = i % 5 === 0 ? 'test' : 'train' }] of images.entries()) {
    const { sha256: digest } = await putBlob(store, bytes)
    const { grey32: _grey, brightness, contrast, blur, entropy, colour, ...seen } = await inspectImage(bytes)
    const measures = measured ? { brightness, contrast, blur, entropy, colour } : NOT_MEASURED
    const place = { pack: digest, offset: 0, sizeBytes: bytes.length, uri: null, etag: null, source: `${i}`, look: '0' }
    facts.push({ digest, group: digest, ...place, ...seen, ...measures })
    labels.push({
      ...UNSAID,
      digest,
      split,
      label,
      origin: label === null ? null : 'imported',
      humanSeen: label !== null,
    })
  }
  const base = { dataset, version: (await readLatest(store, dataset))?.value.version ?? null }
  const rules = { seed: 7, heldOutShare: 0.2, threshold: 0.98 }
  const how = { by: 'ada', note: `${images.length} images`, scratchDir }
  return (await commitChange(store, base, { facts, labels, rules }, how)).version
}

const NOT_MEASURED = { brightness: null, contrast: null, blur: null, entropy: null, colour: null }
const UNSAID = { tags: null, attributes: null, randomDraw: false, excluded: null }

export async function healthOf(ctx: TestContext, input: StepInput<typeof step>): Promise<HealthReport> {
  return readReport(ctx.store, await checkHealth(input, ctx))
}

export function findingOf({ findings }: HealthReport, kind: FindingKind): Finding | undefined {
  return findings.find((finding) => finding.kind === kind)
}

export { stepContext }
