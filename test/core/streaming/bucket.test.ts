/** A version in a bucket of a real S3 server: the same stream, and a description that needs no credentials. */
import { execFile, spawnSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { embedImages } from '#core/embedding'
import { indexNeighbours, openSimilar } from '#core/neighbours'
import type { DatasetVersion } from '#core/steps'
import { openStore, sha256Hex, type ObjectStore } from '#core/storage'
import { describeStream, openStream } from '#core/streaming'
import { s3ServersRequired } from '../../support/binaries.ts'
import { pngImage } from '../../support/images.ts'
import { minio, startMinio } from '../../support/minio.ts'
import type { S3Server } from '../../support/s3-server.ts'
import { runImport, stepContext, temporaryFolder } from '../imports/support.ts'
import { importedScenes } from './support.ts'

const python = spawnSync('python3', ['--version']).status === 0

describe.skipIf(!minio.path && !s3ServersRequired)(`a bucket on MinIO ${minio.missing}`, () => {
  const folder = temporaryFolder()
  let server: S3Server
  let store: ObjectStore
  let version: DatasetVersion
  beforeAll(async () => {
    if (!minio.path) throw new Error(minio.missing)
    server = await startMinio(minio.path)
    store = await openStore(await server.createBucket('gyre-streams'))
    version = await importedScenes(store, folder())
  })
  afterAll(() => server?.stop())

  it('streams every sample once', async () => {
    const stream = await openStream(store, version, { blockBytes: 8192, windowBlocks: 4 })
    const seen = new Set<string>()
    for await (const { digest } of stream.from(stream.start())) seen.add(digest)
    expect(seen.size).toBe(stream.samples)
  })

  it.skipIf(!python)('is read by Python through addresses that expire, without credentials', async () => {
    const description = await describeStream(store, version, { scratchDir: folder() })
    expect(Date.parse(description.expiresAt!)).toBeGreaterThan(Date.now())
    await writeFile(folder('remote.json'), JSON.stringify(description))
    const count = `from gyre_data import *; print(sum(1 for _ in GyreStream(${JSON.stringify(folder('remote.json'))})))`
    const env = { PATH: process.env.PATH, PYTHONPATH: path.resolve('apps/trainer'), PYTHONDONTWRITEBYTECODE: '1' }
    const { stdout } = await promisify(execFile)('python3', ['-c', count], { env })
    expect(Number(stdout)).toBe(description.samples)
  })

  it('gives images that stay where they are, and a description says that Python cannot', async () => {
    const photos = await openStore(await server.createBucket('gyre-photos'))
    for (let seed = 0; seed < 8; seed++) await photos.create(`kind-${seed % 2}/${seed}.png`, await pngImage(seed))
    const source = { dataset: 'afar', source: photos.uri, labels: 'folders', reference: true } as const
    const afar = await runImport(stepContext({ store }), source)
    const choice = { split: 'all' } as const
    const stream = await openStream(store, afar, choice)
    const digests: string[] = []
    for await (const { digest, bytes } of stream.from(stream.start())) {
      expect(sha256Hex(bytes)).toBe(digest)
      digests.push(digest)
    }
    expect(new Set(digests).size).toBe(8)
    const { places } = await describeStream(store, afar, { ...choice, scratchDir: folder() })
    expect(places).toEqual(Array(8).fill(null))
  })

  it('finds similar images', async () => {
    const ctx = stepContext({ store, scratchDir: folder() })
    await indexNeighbours({ embeddings: await embedImages({ version, model: 'fitted', dims: 32, seed: 7 }, ctx) }, ctx)
    const similar = await openSimilar(store, version)
    expect(await similar.toBytes(await pngImage(3), 1)).toMatchObject([{ similarity: expect.closeTo(1, 3) as number }])
    await similar.close()
  })
})
