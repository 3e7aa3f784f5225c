/** The body of `index-neighbours`: vectors to find similar images by, and a map to see all at once. */
import { open } from 'node:fs/promises'
import path from 'node:path'
import { withTables } from '#core/datasets'
import type { StepContext } from '#core/execution'
import type { BlobRef, indexNeighbours as step, Neighbours, StepInput } from '#core/steps'
import { blobFile, putBlob, putBlobFile, readBlob } from '#core/storage'
import { layOut } from './layout.ts'
import { openNearest } from './nearest.ts'
import { recordNeighbours } from './record.ts'
import { lookModel, lookSpaceOf, projectFile } from './space.ts'

/** @throws {PlatformError} `DATASET_NOT_FOUND`; the signal's reason when it is aborted. */
export async function indexNeighbours({ embeddings }: StepInput<typeof step>, ctx: StepContext): Promise<Neighbours> {
  const { store, scratchDir, signal, progress } = ctx
  const { images, dims: cols, inputSize, dataset } = embeddings
  const source = { file: await blobFile(store, embeddings.matrix, scratchDir), rows: images, cols }
  progress({ done: 0, total: images, unit: 'images', note: 'finding the main directions' })
  const space = await lookSpaceOf(source, signal)
  const vectors = path.join(scratchDir, 'looks.f32')
  const onBlock = (done: number): void => progress({ done, total: images, unit: 'images', note: 'projecting' })
  await projectFile(source, space, vectors, { signal, onBlock })
  const pool = await openNearest()
  try {
    const map = await layOut(
      pool,
      { file: vectors, rows: images, dims: space.dims },
      { signal, onProgress: (done, total) => progress({ done, total, unit: 'steps', note: 'drawing the map' }) },
    )
    const neighbours: Neighbours = {
      kind: 'neighbours',
      dataset,
      images,
      dims: space.dims,
      vectors: await putBlobFile(store, vectors),
      digests: await digestsBlob(ctx, dataset),
      embedder: await putBlob(store, lookModel(await readBlob(store, embeddings.embedder), space)),
      inputSize,
      map: await putBlob(store, new Uint8Array(map.buffer)),
    }
    await recordNeighbours(store, neighbours, ctx.runId)
    return neighbours
  } finally {
    await pool.close()
  }
}

/** uint8 [images, 32], ascending: from rows to images and back without the version's tables. */
async function digestsBlob(
  { store, scratchDir }: Pick<StepContext, 'store' | 'scratchDir'>,
  version: Neighbours['dataset'],
): Promise<BlobRef> {
  const file = path.join(scratchDir, 'digests')
  const out = await open(file, 'w')
  try {
    await withTables(store, version, async (tables) => {
      for await (const rows of tables.batches<{ digest: string }>('SELECT digest FROM facts ORDER BY digest'))
        await out.writeFile(Buffer.from(rows.map(({ digest }) => digest).join(''), 'hex'))
    })
  } finally {
    await out.close()
  }
  return putBlobFile(store, file)
}
