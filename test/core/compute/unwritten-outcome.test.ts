import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, it, vi } from 'vitest'
import { createProcessJobRunner } from '#core/compute'
import { PlatformError } from '#core/errors'
import { silentLogger } from '#core/log'
import { createMemoryStore } from '#core/storage'
import type * as Storage from '#core/storage'

vi.mock('#core/storage', async (original) => {
  const real = await original<typeof Storage>()
  return {
    ...real,
    async openFolderStore(root: string) {
      const store = await real.openFolderStore(root)
      const create = store.create.bind(store)
      store.create = (key, bytes) =>
        key.endsWith('/outcome.json')
          ? Promise.reject(new PlatformError('STORE_DISK_FULL', 'no room left'))
          : create(key, bytes)
      return store
    },
  }
})

it('tells the outcome of a job to those who wait although a full disk does not take it', async () => {
  const directory = await mkdtemp(path.join(tmpdir(), 'gyre-jobs-'))
  const runner = createProcessJobRunner({ directory, store: createMemoryStore(), log: silentLogger() })
  const command = [process.execPath, path.resolve('test/fixtures/job-programs.mjs'), 'print', '1']
  await runner.start({ name: 'job', command, env: {}, timeoutMs: 30_000, graceMs: 1_000 })
  expect(await runner.wait('job', {})).toEqual({ kind: 'succeeded', outputs: {} })
  await rm(directory, { recursive: true })
})
