import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { ThreadPool, type BodyRequest } from '#core/execution'
import { createLogger, type Spoken } from '#core/log'
import { openStore, putBlob } from '#core/storage'

const log = createLogger('test', 'silent')
const hooks = { signal: new AbortController().signal, onProgress: () => undefined, onSession: () => undefined }
let folder: string

beforeEach(() => (folder = mkdtempSync(path.join(os.tmpdir(), 'gyre-pool-'))))
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** A step that does not exist: its refusal comes from inside a thread. */
const request = (): BodyRequest => ({
  ...{ step: 'nothing', input: {}, run: 'r', node: 'n', attempt: 1, bundle: null, bundleDir: folder },
  store: { uri: path.join(folder, 'store'), project: 'default' },
  scratchDir: path.join(folder, 'scratch'),
})

it('a warm thread carries out one body after another', async () => {
  const pool = new ThreadPool({ log })
  for (let turn = 0; turn < 3; turn += 1)
    await expect(pool.run(request(), hooks)).rejects.toMatchObject({ code: 'PIPELINE_INVALID' })
  expect(pool.size).toBe(1)
  pool.close()
  await expect.poll(() => pool.size, { timeout: 10_000 }).toBe(0)
})

it('a thread without work ends', async () => {
  const pool = new ThreadPool({ log, idleMs: 1 })
  await expect(pool.run(request(), hooks)).rejects.toMatchObject({ code: 'PIPELINE_INVALID' })
  await expect.poll(() => pool.size, { timeout: 10_000 }).toBe(0)
})

it('what the code of a step says by console belongs to its log', async () => {
  const pool = new ThreadPool({ log })
  const said: Spoken[] = []
  const store = await openStore(path.join(folder, 'store'), { project: 'default' })
  const code = "console.log('%d images', 3, { dark: 1 }); console.warn('two\\nlines')"
  const { sha256: bundle } = await putBlob(store, Buffer.from(code))
  const running = pool.run({ ...request(), bundle }, { ...hooks, onLog: (line) => said.push(line) })
  await expect(running).rejects.toMatchObject({ code: 'PIPELINE_INVALID' })
  expect(said).toEqual([
    { level: 'info', text: '3 images { dark: 1 }' },
    { level: 'warn', text: 'two\nlines' },
  ])
  pool.close()
})
