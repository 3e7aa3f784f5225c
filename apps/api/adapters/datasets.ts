import { PlatformError } from '#core/errors'
import {
  datasetHistory,
  listDatasets,
  openVersion,
  resolveVersion,
  type DatasetReader,
  type ImageFacts,
  type ImageLabel,
} from '#core/datasets'
import type { ObjectStore } from '#core/storage'
import type { DatasetPort } from '../ports.ts'
import type { DatasetDetail } from '../schemas.ts'

/** Versions whose tables are kept in memory; they never change, so only the room is limited. */
const KEPT_VERSIONS = 4
const KEPT_SUMMARIES = 1_000

type Summary = Pick<DatasetDetail, 'labelled' | 'humanSeen' | 'excluded' | 'splits' | 'classes'>

/** Datasets as the store has them. Tables of a version are read once and paged by digest. */
export function datasetsOf(store: ObjectStore): DatasetPort {
  const readers = new Kept<Promise<DatasetReader>>(KEPT_VERSIONS)
  const summaries = new Kept<Promise<Summary>>(KEPT_SUMMARIES)

  const open = (dataset: string, version: string): Promise<DatasetReader> =>
    readers.get(`${dataset}@${version}`, () => openVersion(store, { dataset, version }))
  const openRef = async (name: string, ref: string): Promise<DatasetReader> => {
    const { dataset, version } = await resolveVersion(store, `${name}@${ref}`)
    return open(dataset, version)
  }
  const summaryOf = (dataset: string, version: string): Promise<Summary> =>
    summaries.get(`${dataset}@${version}`, async () => summarise(await (await open(dataset, version)).labels()))

  return {
    async list() {
      const datasets = await listDatasets(store)
      return Promise.all(
        datasets.map(async ({ name, version, images }) => {
          const { labelled, classes } = await summaryOf(name, version)
          return { name, version, images, labelled, classes: classes.length }
        }),
      )
    },

    async show(name, ref) {
      const { version } = await openRef(name, ref)
      const [summary, history] = await Promise.all([summaryOf(name, version.version), datasetHistory(store, name)])
      return {
        name,
        version: version.version,
        images: version.images,
        ...summary,
        history: history.toReversed().map(({ version: at, at: since, images }) => ({ version: at, at: since, images })),
      }
    },

    async images(name, { cursor, limit, label, split, ref = 'latest' }) {
      const reader = await openRef(name, ref)
      const [facts, labels] = await Promise.all([reader.facts(), reader.labels()])
      const images = []
      let at = cursor ? firstAfter(facts, cursor) : 0
      for (; at < facts.length && images.length < limit; at++) {
        const row = labels[at]!
        if ((label === undefined || row.label === label) && (split === undefined || row.split === split))
          images.push(toRow(facts[at]!, row))
      }
      return { images, next: at < facts.length ? (images.at(-1)?.digest ?? null) : null }
    },

    async bytes(name, digest) {
      // Any version that is open and has the image gives the same bytes; the newest has all images.
      for (const [key, reader] of readers.entries())
        if (key.startsWith(`${name}@`)) {
          const bytes = await (await reader).imageBytes(digest).catch(ignoreMissing)
          if (bytes) return bytes
        }
      return (await openRef(name, 'latest')).imageBytes(digest)
    },
  }
}

function summarise(labels: readonly ImageLabel[]): Summary {
  const classes = new Map<string, { images: number; humanSeen: number }>()
  const splits = { train: 0, test: 0 }
  let [humanSeen, excluded] = [0, 0]
  for (const row of labels) {
    splits[row.split] += 1
    if (row.humanSeen) humanSeen += 1
    if (row.excluded !== null) excluded += 1
    if (row.label === null) continue
    const tally = classes.get(row.label) ?? { images: 0, humanSeen: 0 }
    tally.images += 1
    if (row.humanSeen) tally.humanSeen += 1
    classes.set(row.label, tally)
  }
  const rows = [...classes].map(([name, tally]) => ({ class: name, ...tally }))
  const labelled = rows.reduce((sum, { images }) => sum + images, 0)
  return { labelled, humanSeen, excluded, splits, classes: rows.sort((a, b) => (a.class < b.class ? -1 : 1)) }
}

function toRow({ digest, width, height, sizeBytes, format, source }: ImageFacts, row: ImageLabel) {
  const { split, label, origin, humanSeen, excluded } = row
  return { digest, width, height, sizeBytes, format, source, split, label, origin, humanSeen, excluded }
}

/** Index of the first row whose digest sorts after the cursor. */
function firstAfter(facts: readonly ImageFacts[], cursor: string): number {
  let [low, high] = [0, facts.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (facts[middle]!.digest <= cursor) low = middle + 1
    else high = middle
  }
  return low
}

function ignoreMissing(error: unknown): null {
  if (error instanceof PlatformError && error.code === 'OBJECT_NOT_FOUND') return null
  throw error
}

/** Least-recently-used values; what fails is not kept. */
class Kept<T extends Promise<unknown>> {
  readonly #values = new Map<string, T>()

  constructor(private readonly capacity: number) {}

  get(key: string, make: () => T): T {
    const value = this.#values.get(key) ?? make()
    this.#values.delete(key)
    this.#values.set(key, value)
    value.catch(() => this.#values.delete(key))
    for (const oldest of this.#values.keys()) {
      if (this.#values.size <= this.capacity) break
      this.#values.delete(oldest)
    }
    return value
  }

  entries(): [string, T][] {
    return [...this.#values]
  }
}
