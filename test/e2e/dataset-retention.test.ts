/** What is kept, deleted and proved of a dataset, by the command line, on a stack whose store is a bucket. */

import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sha256Hex } from '#core/storage'
import { s3ServersRequired } from '../support/binaries.ts'
import { gyre, StateFolders } from '../support/gyre.ts'
import { pngImage, writeFiles } from '../support/images.ts'
import { LiveStack } from '../support/live-stack.ts'
import { minio, startMinio } from '../support/minio.ts'
import type { S3Server } from '../support/s3-server.ts'

describe.skipIf(!minio.path && !s3ServersRequired)(`datasets on a bucket ${minio.missing}`, () => {
  const folders = new StateFolders()
  let server: S3Server
  let stack: LiveStack
  let state: string
  let images: readonly Uint8Array[]

  const call = async <T>(...args: string[]): Promise<T> => {
    const { code, stdout, stderr } = await gyre(['dataset', ...args, '--json', '--state', state])
    if (code !== 0) throw new Error(`gyre dataset ${args.join(' ')}: exit ${code}: ${stderr}`)
    return JSON.parse(stdout) as T
  }
  const refused = (...args: string[]) => gyre(['dataset', ...args, '--state', state])

  beforeAll(async () => {
    if (!minio.path) throw new Error(minio.missing)
    server = await startMinio(minio.path)
    const store = await server.createBucket('gyre-retention')
    state = folders.create()
    images = await Promise.all([1, 2, 3, 4, 5, 6, 7, 8].map((seed) => pngImage(seed)))
    await writeFiles(path.join(state, 'source'), Object.fromEntries(images.map((bytes, i) => [`${i}.png`, bytes])))
    stack = new LiveStack(state, { GYRE_STORE: store })
    await stack.start()
    await call('import', 'parts', path.join(state, 'source'))
  })
  afterAll(async () => {
    await stack?.stop()
    await folders.clean()
    await server?.stop()
  })

  it('proves a version whole, image by image', async () => {
    const found = await call('verify', 'parts', '--every-image')
    expect(found).toMatchObject({ imagesRead: 8, packs: 1, problems: { count: 0 } })
  })

  it('says where it came from', async () => {
    const lineage = await call<{ imports: { source: string }[] }>('lineage', 'parts')
    expect(lineage).toMatchObject({ dataset: 'parts', models: [], endpoints: [] })
    expect(lineage.imports.map(({ source }) => source)).toEqual([path.join(state, 'source')])
  })

  it('keeps a policy, shows it, and looks at garbage without touching it', async () => {
    expect(await call('policy', 'parts')).toMatchObject({ policy: { versions: null, days: null }, by: null })
    const set = await call('policy', 'parts', '--versions', '10', '--days', '90')
    expect(set).toMatchObject({ policy: { versions: 10, days: 90, runDays: null } })
    expect(await call('policy', 'parts', '--days', 'none')).toMatchObject({ policy: { versions: 10, days: null } })
    const found = await call<{ blobs: { objects: number } }>('gc', '--dry-run')
    expect(found).toMatchObject({ dryRun: true, removed: { objects: 0 }, condemned: { objects: 0 } })
    expect(found.blobs.objects).toBeGreaterThan(2)
    expect(await call('gc')).toMatchObject({ dryRun: false, removed: { objects: 0 } })
    expect(await call('trash', 'parts')).toEqual([])
  })

  it('deletes an image everywhere, but not one that is held, and not without a reason and a yes', async () => {
    const digest = sha256Hex(images[0]!)
    const sure = ['--reason', 'asked by the person shown', '--yes']
    expect(await refused('delete-image', digest, '--yes')).toMatchObject({ code: 2 })
    expect(await refused('delete-image', digest, '--reason', 'x')).toMatchObject({ code: 2 })
    await call('hold', 'parts', '--as', 'audit', '--reason', 'a court')
    expect(await refused('delete-image', digest, ...sure)).toMatchObject({
      code: 4,
      stderr: expect.stringContaining('holds as audit (a court)') as string,
    })
    expect(await call('hold', 'parts', '--release', 'audit')).toEqual([])
    const done = await call('delete-image', digest, ...sure)
    expect(done).toMatchObject({ image: digest, packs: 1, datasets: [{ name: 'parts', refs: ['latest'] }] })
    const found = await call('verify', 'parts', '--every-image')
    expect(found).toMatchObject({ imagesRead: 7, problems: { count: 0 } })
    const again = await call('import', 'parts', path.join(state, 'source'))
    expect(again).toMatchObject({ images: 7, rejected: [{ path: '0.png' }] })
  })
})
