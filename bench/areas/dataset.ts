/**
 * Datasets beside the tools that people use for them: import, the same again, a diff, an export, and the stream to a
 * trainer. Same images, same disk, a warm file cache for all, each tool as its documentation calls it, with its defaults.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import type { GyreRow, GyreRows } from '../datasets/gyre-rows.ts'
import { imageSets, type ImageFolder } from '../datasets/sets.ts'
import {
  gyreRows,
  installPeers,
  peerRows,
  PEERS,
  pythonReaderRows,
  type PeerName,
  type PeerRows,
} from '../datasets/tools.ts'
import { datasetRows } from './dataset-rows.ts'
import { machine, round, type BenchReport, type BenchRow } from '../report.ts'

/** All peers on all sets together; what is not done then is left out. */
const PEERS_MS = 8 * 60_000
/** Of the first set, and of each further one. */
const MOST_IMAGES = [50_000, 5_000]
/** Of datasets of rows alone; the area `dataset-rows` has ten times as many, too. */
const MOST_ROWS = 1_000_000

interface Options {
  readonly images: string | undefined
  readonly limit: number | undefined
  say(line: string): void
}

export const dataset = {
  says: 'import, export, diff and stream beside DVC, Hugging Face datasets, Datumaro and webdataset',
  async run({ images, limit = Infinity, say }: Options): Promise<BenchReport> {
    const work = await mkdtemp(path.join(os.tmpdir(), 'gyre-bench-dataset-'))
    try {
      const python = await installPeers(say)
      const deadline = performance.now() + PEERS_MS
      const sets = await imageSets(images, { work, limit: MOST_IMAGES.map((most) => Math.min(most, limit)), say })
      const rows: BenchRow[] = []
      for (const [i, set] of sets.entries())
        rows.push(...(await measured(set, { prefix: i === 0 ? '' : `${set.name}-`, work, python, deadline, say })))
      rows.push(...(await datasetRows.run({ limit: Math.min(limit, MOST_ROWS), say })).rows)
      return { area: 'dataset', machine: machine(), rows }
    } finally {
      await rm(work, { recursive: true, force: true })
    }
  },
}

interface Measuring {
  readonly prefix: string
  readonly work: string
  readonly python: string | null
  /** When the last peer must be done. */
  readonly deadline: number
  say(line: string): void
}

async function measured(set: ImageFolder, { prefix, work, python, deadline, say }: Measuring): Promise<BenchRow[]> {
  say(`${set.name}, ${set.images} images: gyre`)
  const ours = path.join(work, 'gyre')
  try {
    const gyre = await gyreRows(set.folder, ours)
    const reader = python ? await pythonReaderRows(python, path.join(ours, 'stream.json')) : {}
    const peers: Partial<Record<PeerName, PeerRows>> = {}
    for (const peer of python ? PEERS : []) {
      say(`${set.name}, ${set.images} images: ${peer}`)
      const timeoutMs = Math.max(1, Math.round(deadline - performance.now()))
      const rows = await peerRows(python!, peer, { images: set.folder, work, timeoutMs, say })
      if (rows) peers[peer] = rows
    }
    return rowsOf({ set, gyre, reader, peers }).map((row) => ({ ...row, name: `${prefix}${row.name}` }))
  } finally {
    await rm(ours, { recursive: true, force: true })
  }
}

interface Measured {
  readonly set: ImageFolder
  readonly gyre: GyreRows
  readonly reader: PeerRows
  readonly peers: Readonly<Partial<Record<PeerName, PeerRows>>>
}

function rowsOf({ set, gyre, reader, peers }: Measured): BenchRow[] {
  const { seconds, sizeBytes, diskMibPerSecond } = gyre
  const files = set.images
  /** Of each peer that has the row. */
  const beside = (row: string, figure: (seconds: number) => number): Record<string, number> =>
    Object.fromEntries(
      PEERS.flatMap((peer) => {
        const taken = peers[peer]?.[row]
        return taken === undefined ? [] : [[PACKAGES[peer], round(figure(taken))]]
      }),
    )
  const perSecond = (name: string, row: GyreRow, note: string, images = files): BenchRow => ({
    name,
    unit: 'images/s',
    value: round(images / seconds[row]),
    better: 'higher',
    peers: beside(row, (taken) => images / taken),
    note,
  })
  const taking = (name: string, row: GyreRow, note: string): BenchRow => ({
    name,
    unit: 's',
    value: round(seconds[row]),
    better: 'lower',
    peers: beside(row, (taken) => taken),
    note,
  })
  const disk = `the disk takes ${Math.round(diskMibPerSecond)} MiB/s, the set has ${Math.round(sizeBytes / 2 ** 20)} MiB`
  const rows = [
    perSecond('import-images-per-s', 'import', `${files} ${set.name} files, each decoded, measured, grouped, split`),
    { ...perSecond('import-limit-images-per-s', 'limit', `reading, hashing and decoding alone; ${disk}`), peers: {} },
    taking('reimport-s', 'reimport', 'the same folder again, nothing new'),
    taking('diff-s', 'diff', `two versions that differ in ${gyre.diffFound} images`),
    perSecond('export-images-per-s', 'export', 'to class folders'),
    {
      name: 'peak-mib',
      unit: 'MiB',
      value: round(gyre.peakMib),
      better: 'lower' as const,
      peers: beside('peakMib', (mib) => mib),
      note: 'of the process that imports',
    },
  ]
  const { firstSample, stream, undecoded } = reader
  if (firstSample !== undefined && stream !== undefined && undecoded !== undefined)
    rows.push(
      {
        name: 'first-sample-ms',
        unit: 'ms',
        value: round(firstSample * 1_000),
        better: 'lower',
        peers: beside('firstSample', (taken) => taken * 1_000),
        note: `shuffled, decoded, Python; the index of a version is made once, in ${round(seconds.index * 1_000)} ms`,
      },
      {
        name: 'stream-images-per-s',
        unit: 'images/s',
        value: round(gyre.streamed / stream),
        better: 'higher',
        peers: beside('stream', (taken) => gyre.streamed / taken),
        note: 'an epoch, shuffled, decoded by Pillow, one Python process each',
      },
      {
        name: 'stream-undecoded-images-per-s',
        unit: 'images/s',
        value: round(gyre.streamed / undecoded),
        better: 'higher',
        peers: {},
        note: 'the same without decoding: what the reader itself costs',
      },
    )
  rows.push({
    ...perSecond('stream-typescript-images-per-s', 'stream', 'the same in TypeScript', gyre.streamed),
    peers: {},
  })
  return rows
}

const PACKAGES: Readonly<Record<PeerName, string>> = {
  dvc: 'dvc',
  huggingface: 'datasets',
  datumaro: 'datumaro',
  webdataset: 'webdataset',
  folder: 'plain files',
}
