/** The verbs of datasets, one after the other as a person uses them, on a stack whose store is a bucket. */

import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { s3ServersRequired } from '../support/binaries.ts'
import { gyre, StateFolders } from '../support/gyre.ts'
import { pngImage, writeFiles } from '../support/images.ts'
import { LiveStack } from '../support/live-stack.ts'
import { minio, startMinio } from '../support/minio.ts'
import type { S3Server } from '../support/s3-server.ts'

describe.skipIf(!minio.path && !s3ServersRequired)(`the verbs of datasets on a bucket ${minio.missing}`, () => {
  const folders = new StateFolders()
  let server: S3Server
  let stack: LiveStack
  let state: string
  let imported: string

  const call = async <T>(...args: string[]): Promise<T> => {
    const { code, stdout, stderr } = await gyre(['dataset', ...args, '--json', '--state', state])
    if (code !== 0) throw new Error(`gyre dataset ${args.join(' ')}: exit ${code}: ${stderr}`)
    return JSON.parse(stdout) as T
  }
  const counted = async (condition: string) =>
    (await call<{ total: number }>('query', 'parts', condition, '--count')).total

  beforeAll(async () => {
    if (!minio.path) throw new Error(minio.missing)
    server = await startMinio(minio.path)
    state = folders.create()
    const files: Record<string, Uint8Array> = {}
    for (let seed = 1; seed <= 12; seed += 1) files[`${seed % 2 ? 'bent' : 'ok'}/${seed}.png`] = await pngImage(seed)
    await writeFiles(path.join(state, 'source'), files)
    stack = new LiveStack(state, { GYRE_STORE: await server.createBucket('gyre-datasets') })
    await stack.start()
    const source = path.join(state, 'source')
    imported = (await call<{ version: string }>('import', 'parts', source, '--labels', 'folders')).version
  })
  afterAll(async () => {
    await stack?.stop()
    await folders.clean()
    await server?.stop()
  })

  it('finds images by a condition', async () => {
    expect(await counted("label = 'bent'")).toBe(6)
    expect(await counted("label = 'bent' and width < 1")).toBe(0)
  })

  it('leaves images out in a new version, and tells it from the old one', async () => {
    await call('exclude', 'parts', '--where', "label = 'bent'", '--reason', 'too bent')
    expect(await counted("excluded = 'too bent'")).toBe(6)
    expect(await call('diff', `parts@${imported}`)).toMatchObject({ added: 0, removed: 0, excluded: 6 })
  })

  it('names versions, goes back to one, and keeps the history', async () => {
    await call('tag', 'parts', 'strict')
    await call('restore', `parts@${imported}`)
    expect(await counted('excluded is null')).toBe(12)
    await call('merge', 'parts@strict', '--policy', 'theirs')
    expect(await counted('excluded is null')).toBe(6)
    expect(await call('log', 'parts')).toEqual(expect.arrayContaining([expect.objectContaining({ version: imported })]))
  })

  it('is checked for its health, and written as files for others', async () => {
    expect(await call('health', 'parts', '--no-labels')).toHaveProperty('findings')
    const target = path.join(state, 'coco')
    await call('export', `parts@${imported}`, target, '--format', 'coco')
    expect(await readdir(target)).not.toEqual([])
  })
})
