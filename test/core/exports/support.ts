/** A dataset with everything that a version can hold, made without an import. */
import { commitChange, withScratch, writePacks, type Box, type ImageLabel, type StoredFacts } from '#core/datasets'
import type { StepContext } from '#core/execution'
import { exportDataset } from '#core/exports'
import { inspectImage } from '#core/images'
import type { DatasetVersion, exportDataset as exportStep, StepInput, StepOutput } from '#core/steps'
import { sha256Hex, type ObjectStore } from '#core/storage'
import { stepContext } from '../imports/support.ts'

export interface MadeImage extends Partial<Omit<ImageLabel, 'digest'>> {
  readonly source: string
  readonly bytes: Uint8Array
  readonly boxes?: readonly Omit<Box, 'digest' | 'number'>[]
}

export function makeDataset(store: ObjectStore, images: readonly MadeImage[]): Promise<DatasetVersion> {
  return withScratch((directory) => make(store, images, directory))
}

async function make(store: ObjectStore, images: readonly MadeImage[], directory: string): Promise<DatasetVersion> {
  const known = await Promise.all(
    images.map(async ({ bytes }) => ({
      ...(await inspectImage(bytes)),
      digest: sha256Hex(bytes),
      sizeBytes: bytes.length,
    })),
  )
  const bytesOf = new Map(known.map(({ digest }, i) => [digest, images[i]!.bytes]))
  const options = { store, directory, signal: new AbortController().signal }
  const places = await writePacks(known, ({ digest }) => bytesOf.get(digest)!, options)
  const facts = known.map(({ grey32: _, ...row }, i): StoredFacts => ({
    ...row,
    ...places[i]!,
    group: row.digest,
    source: images[i]!.source,
    look: '0'.repeat(16),
    uri: null,
    etag: null,
  }))
  const labels = known.map(({ digest }, i): ImageLabel => {
    const { source: _, bytes: __, boxes: ___, ...said } = images[i]!
    return {
      digest,
      split: 'train',
      label: null,
      tags: null,
      attributes: null,
      origin: null,
      humanSeen: false,
      randomDraw: false,
      excluded: null,
      ...said,
    }
  })
  const boxes = new Map(
    known.flatMap(({ digest }, i) => (images[i]!.boxes ? [[digest, images[i]!.boxes] as const] : [])),
  )
  const rules = { heldOutShare: 0.2, seed: 7, threshold: 0.98 } as never
  const { version } = await commitChange(
    store,
    { dataset: 'things', version: null },
    { facts, labels, boxes, rules },
    { by: 'test', note: 'made', scratchDir: directory },
  )
  return version
}

export function runExport(
  store: ObjectStore,
  input: StepInput<typeof exportStep>,
  context: Partial<StepContext> = {},
): Promise<StepOutput<typeof exportStep>> {
  return exportDataset(input, { ...stepContext({ store }), ...context })
}
