/** Gyre's rows of the area `dataset`, in a process of their own: IMAGES WORK. Prints JSON on the last line. */
import { mkdir, open, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { performance } from 'node:perf_hooks'
import { commitChange, diffVersions, forEachInFlight, openVersion, type ImageLabel } from '#core/datasets'
import type { StepContext } from '#core/execution'
import { exportDataset } from '#core/exports'
import { inspectImage } from '#core/images'
import { importImages as importBody } from '#core/imports'
import { silentLogger } from '#core/log'
import { importImages, type DatasetVersion } from '#core/steps'
import { openStore, sha256Hex, type ObjectStore } from '#core/storage'
import { describeStream, openStream } from '#core/streaming'

const CHANGED_EVERY = 100
const [images = '', work = ''] = process.argv.slice(2)

export interface GyreRows {
  readonly images: number
  readonly sizeBytes: number
  readonly peakMib: number
  /** Seconds by row; `firstSample` and `index` too. */
  readonly seconds: Readonly<Record<GyreRow, number>>
  /** MiB a second that this disk takes in one file, with fsync. */
  readonly diskMibPerSecond: number
  readonly diffFound: number
  readonly streamed: number
}
export type GyreRow =
  'import' | 'reimport' | 'limit' | 'diff' | 'export' | 'index' | 'firstSample' | 'stream' | 'undecoded'

const seconds: Partial<Record<GyreRow, number>> = {}

async function timed<T>(row: GyreRow, measured: () => Promise<T>): Promise<T> {
  const started = performance.now()
  const result = await measured()
  seconds[row] = (performance.now() - started) / 1_000
  return result
}

async function measure(): Promise<GyreRows> {
  const store = await openStore(path.join(work, 'objects'), {})
  const version = await timed('import', () => importAll(store))
  const peakMib = process.resourceUsage().maxRSS / 1_024
  await timed('reimport', () => importAll(store))
  const files = await filesOf(images)
  await timed('limit', () => onlyDecode(files))
  const diskMibPerSecond = await diskSpeed()
  const changed = await relabelled(store, version)
  const { relabelled: found } = await timed('diff', () => diffVersions(store, version, changed))
  await timed('export', () =>
    exportDataset({ version, target: path.join(work, 'exported'), format: 'folder' }, context(store, 'export')),
  )
  const streamed = await streamAll(store, version)
  return {
    images: version.images,
    sizeBytes: (await Promise.all(files.map((file) => stat(file)))).reduce((sum, { size }) => sum + size, 0),
    peakMib,
    seconds: seconds as Record<GyreRow, number>,
    diskMibPerSecond,
    diffFound: found.reduce((sum, { images: count }) => sum + count, 0),
    streamed,
  }
}

function context(store: ObjectStore, nodeId: string): StepContext {
  return {
    store,
    runId: 'bench',
    nodeId,
    attempt: 1,
    scratchDir: path.join(work, 'scratch'),
    signal: new AbortController().signal,
    log: silentLogger(),
    progress: () => undefined,
  }
}

function importAll(store: ObjectStore): Promise<DatasetVersion> {
  const input = importImages.input.parse({ dataset: 'bench', source: images, labels: 'folders' })
  return importBody(input, context(store, 'import'))
}

async function filesOf(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name))
}

/** What no import can do without: every file is read, hashed and decoded whole. */
async function onlyDecode(files: readonly string[]): Promise<void> {
  await forEachInFlight(files, { pieces: 8 }, async (file) => {
    const bytes = await readFile(file)
    sha256Hex(bytes)
    await inspectImage(bytes)
  })
}

async function diskSpeed(): Promise<number> {
  const piece = Buffer.alloc(4 * 2 ** 20, 'gyre')
  const pieces = 64
  const file = await open(path.join(work, 'disk'), 'w')
  const started = performance.now()
  for (let i = 0; i < pieces; i++) await file.writeFile(piece)
  await file.sync()
  await file.close()
  return (pieces * 4) / ((performance.now() - started) / 1_000)
}

async function relabelled(store: ObjectStore, version: DatasetVersion): Promise<DatasetVersion> {
  const reader = await openVersion(store, version)
  const classes = await reader.classes()
  const labels: ImageLabel[] = []
  for (const [i, row] of (await reader.labels()).entries())
    if (i % CHANGED_EVERY === 0) labels.push({ ...row, label: classes.find((name) => name !== row.label) ?? row.label })
  return (await commitChange(store, version, { labels }, { by: 'bench', note: 'one in a hundred' })).version
}

async function streamAll(store: ObjectStore, version: DatasetVersion): Promise<number> {
  const options = { split: 'all', unlabelled: true } as const
  const description = await timed('index', () => describeStream(store, version, { ...options, scratchDir: work }))
  await writeFile(path.join(work, 'stream.json'), JSON.stringify(description))
  const size = await timed('firstSample', async () => {
    const stream = await openStream(store, version, options)
    const { value } = await stream.from(stream.start()).next()
    return inspectImage((value as { bytes: Uint8Array }).bytes)
  })
  const stream = await openStream(store, version, options)
  const { height, width } = size
  await timed('stream', () => counted(stream.pixels(stream.start(), { height, width })))
  await timed('undecoded', () => counted(stream.from(stream.start())))
  return stream.samples
}

/** Goes through an epoch. */
async function counted(samples: AsyncIterable<unknown>): Promise<number> {
  const iterator = samples[Symbol.asyncIterator]()
  let count = 0
  while (!(await iterator.next()).done) count++
  return count
}

await mkdir(path.join(work, 'scratch'), { recursive: true })
process.stdout.write(`${JSON.stringify(await measure())}\n`)
process.exit(0)
