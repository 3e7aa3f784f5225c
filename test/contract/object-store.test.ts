import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll } from 'vitest'
import { createMemoryStore, openFolderStore } from '#core/storage'
import { objectStoreContract } from './object-store.ts'

const folders: string[] = []
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true }))))

objectStoreContract('memory', async () => createMemoryStore())

objectStoreContract('folder', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'gyre-folder-store-'))
  folders.push(folder)
  return openFolderStore(folder)
})
