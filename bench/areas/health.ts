/**
 * How much of what is wrong with images is found, and how much of what is found is wrong: usual images, some of them
 * spoiled in known ways, clearly and slightly. Beside it cleanvision on the same files. `--images` names a folder tree
 * of usual images (CIFAR-10, say).
 */
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import sharp, { type Sharp } from 'sharp'
import { checkHealth, latestReport, readReport, type FindingKind } from '#core/health'
import { sha256Hex } from '#core/storage'
import { datasetOf, photo, stepContext } from '../../test/core/health/support.ts'
import { machine, round, type BenchReport, type BenchRow } from '../report.ts'

const USUAL = 2_000
const OF_EACH = 20
const INSTALL_MS = 5 * 60_000
const PEER_MS = 3 * 60_000

interface Spoiling {
  readonly kind: FindingKind
  readonly how: string
  /** How cleanvision calls it. */
  readonly peer: string
  spoil(image: Sharp, side: number): Sharp
}

/** A mean over neighbours in a row: motion. */
const motion = (pixels: number) => ({
  width: pixels,
  height: 3,
  kernel: Array.from({ length: 3 * pixels }, (_, i) => (Math.floor(i / pixels) === 1 ? 1 : 0)),
})

const SPOILINGS: readonly Spoiling[] = [
  { kind: 'dark', how: 'a fifth of the light', peer: 'dark', spoil: (image) => image.linear(0.2, 0) },
  { kind: 'dark', how: 'a third of the light', peer: 'dark', spoil: (image) => image.linear(0.33, 0) },
  { kind: 'bright', how: 'washed out to a fifth', peer: 'light', spoil: (image) => image.linear(0.2, 204) },
  { kind: 'bright', how: 'three times the light', peer: 'light', spoil: (image) => image.linear(3, 60) },
  {
    kind: 'blurry',
    how: 'out of focus, 1/16 of the side',
    peer: 'blurry',
    spoil: (image, side) => image.blur(side / 16),
  },
  {
    kind: 'blurry',
    how: 'out of focus, 1/24 of the side',
    peer: 'blurry',
    spoil: (image, side) => image.blur(side / 24),
  },
  { kind: 'blurry', how: 'moved by 9 pixels', peer: 'blurry', spoil: (image) => image.convolve(motion(9)) },
  {
    kind: 'low-contrast',
    how: 'a twentieth of the contrast',
    peer: 'low_information',
    spoil: (image) => image.linear(0.05, 110),
  },
  { kind: 'grey', how: 'without colour', peer: 'grayscale', spoil: (image) => image.greyscale().toColourspace('srgb') },
  {
    kind: 'odd-size',
    how: 'four times the side',
    peer: 'odd_size',
    spoil: (image, side) => image.resize(4 * side, 4 * side),
  },
  {
    kind: 'odd-size',
    how: 'a third of the side',
    peer: 'odd_size',
    spoil: (image, side) => image.resize(Math.round(side / 3)),
  },
  {
    kind: 'odd-aspect',
    how: 'half as high',
    peer: 'odd_aspect_ratio',
    spoil: (image, side) => image.resize(side, Math.round(side / 2), { fit: 'cover' }),
  },
  {
    kind: 'odd-aspect',
    how: 'a quarter as wide',
    peer: 'odd_aspect_ratio',
    spoil: (image, side) => image.resize(Math.round(side / 4), side, { fit: 'cover' }),
  },
]

interface MadeImage {
  readonly bytes: Uint8Array
  /** Index of how it was spoiled; null for a usual one. */
  readonly spoiling: number | null
}

export const health = {
  says: 'what a health check finds of images spoiled in known ways, and how much of it is right',
  async run({ images, say }: { readonly images: string | undefined; say(line: string): void }): Promise<BenchReport> {
    const folder = await mkdtemp(path.join(os.tmpdir(), 'gyre-bench-health-'))
    try {
      say(`making ${USUAL + SPOILINGS.length * OF_EACH} images`)
      const made = await makeSet(images)
      const ours = await foundBy(folder, made)
      const peer = await cleanvision(folder, made, say)
      return { area: 'health', machine: machine(), rows: rowsOf(made, ours, peer) }
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  },
}

async function makeSet(tree: string | undefined): Promise<MadeImage[]> {
  const files =
    tree === undefined
      ? []
      : (await readdir(tree, { recursive: true })).filter((name) => /\.(jpe?g|png)$/i.test(name)).sort()
  const wanted = USUAL + SPOILINGS.length * OF_EACH
  const every = Math.max(1, Math.floor(files.length / wanted))
  const made: MadeImage[] = []
  for (let i = 0; i < wanted; i++) {
    const bytes =
      tree === undefined ? await photo(i) : await readFile(path.join(tree, files[(i * every) % files.length]!))
    const spoiling = i < USUAL ? null : (i - USUAL) % SPOILINGS.length
    made.push({ bytes: spoiling === null ? bytes : await spoilt(bytes, SPOILINGS[spoiling]!), spoiling })
  }
  return made
}

async function spoilt(bytes: Uint8Array, { spoil }: Spoiling): Promise<Uint8Array> {
  const { width } = await sharp(bytes).metadata()
  return spoil(sharp(bytes), width).png().toBuffer()
}

/** Of each kind the indices of the images that are said to be so. */
type Found = ReadonlyMap<string, ReadonlySet<number>>

async function foundBy(folder: string, made: readonly MadeImage[]): Promise<Found> {
  const ctx = stepContext({ scratchDir: folder })
  const version = await datasetOf(
    ctx,
    made.map(({ bytes }) => ({ bytes, label: null })),
  )
  await checkHealth({ version }, ctx)
  const report = await readReport(ctx.store, await latestReport(ctx.store, version))
  const indexOf = new Map(made.map(({ bytes }, i) => [sha256Hex(bytes), i]))
  return new Map(
    report.findings.map(({ kind, digests }) => [kind, new Set(digests.map((digest) => indexOf.get(digest)!))]),
  )
}

/** cleanvision on the same files; null where it cannot be had. */
async function cleanvision(
  folder: string,
  made: readonly MadeImage[],
  say: (line: string) => void,
): Promise<Found | null> {
  const here = path.resolve(import.meta.dirname, '../peers')
  const python = path.resolve(import.meta.dirname, '../../.gyre/bench-peers-health')
  try {
    say('installing cleanvision')
    await promisify(execFile)('sh', [path.join(here, 'install.sh'), python, 'requirements-health.txt'], {
      timeout: INSTALL_MS,
    })
    const files = path.join(folder, 'images')
    await mkdir(files)
    await Promise.all(
      made.map(({ bytes }, i) => writeFile(path.join(files, `${i}.${bytes[0] === 0xff ? 'jpg' : 'png'}`), bytes)),
    )
    const { stdout } = await promisify(execFile)(
      path.join(python, 'bin/python'),
      [path.join(here, 'cleanvision_rows.py'), files],
      { timeout: PEER_MS, maxBuffer: 2 ** 26 },
    )
    const found = JSON.parse(stdout) as Record<string, number[]>
    return new Map(Object.entries(found).map(([kind, indices]) => [kind, new Set(indices)]))
  } catch (error) {
    say(`cleanvision is left out: ${(error as Error).message}`)
    return null
  }
}

function rowsOf(made: readonly MadeImage[], ours: Found, peer: Found | null): BenchRow[] {
  const of = (spoilings: readonly number[]) =>
    made.flatMap(({ spoiling }, i) => (spoiling !== null && spoilings.includes(spoiling) ? [i] : []))
  const share = (found: ReadonlySet<number> | undefined, among: readonly number[]) =>
    round(among.filter((i) => found?.has(i)).length / among.length)
  const recalls = SPOILINGS.map(({ kind, how, peer: name }, i): BenchRow => ({
    name: `${kind}-recall`,
    unit: '',
    value: share(ours.get(kind), of([i])),
    better: 'higher',
    peers: peer ? { cleanvision: share(peer.get(name), of([i])) } : {},
    note: how,
  }))
  const kinds = [...new Set(SPOILINGS.map(({ kind }) => kind))]
  const precisions = kinds.map((kind): BenchRow => {
    const spoilings = SPOILINGS.flatMap((spoiling, i) => (spoiling.kind === kind ? [i] : []))
    const { peer: name } = SPOILINGS[spoilings[0]!]!
    const truth = of(spoilings)
    // What was spoiled in another way may well be so, too (an enlarged image is blurred): it counts for neither.
    const usualIn = (found: ReadonlySet<number> | undefined) =>
      [...(found ?? [])].filter((i) => made[i]!.spoiling === null).length
    const figure = (found: ReadonlySet<number> | undefined) => {
      const right = truth.filter((i) => found?.has(i)).length
      return round(right / Math.max(1, right + usualIn(found)))
    }
    return {
      name: `${kind}-precision`,
      unit: '',
      value: figure(ours.get(kind)),
      better: 'higher',
      peers: peer ? { cleanvision: figure(peer.get(name)) } : {},
      note: `${usualIn(ours.get(kind))} of ${USUAL} usual images are said to be so`,
    }
  })
  return [...recalls, ...precisions]
}
