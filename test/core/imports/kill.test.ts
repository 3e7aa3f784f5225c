import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { openVersion, resolveVersion } from '#core/datasets'
import { openFolderStore, type ObjectStore } from '#core/storage'
import { pngImage, writeFiles } from '../../support/images.ts'
import { runImport, stepContext, temporaryFolder } from './support.ts'

const inFolder = temporaryFolder()
const child = fileURLToPath(new URL('kill-child.ts', import.meta.url))

async function folderOf(name: string, from: number, count: number): Promise<string> {
  await mkdir(inFolder(name), { recursive: true })
  for (let seed = from; seed < from + count; seed++)
    await writeFiles(inFolder(name), { [`${seed}.png`]: await pngImage(seed) })
  return inFolder(name)
}

async function recordsIn(store: ObjectStore): Promise<number> {
  const keys: string[] = []
  for await (const { key } of store.list('datasets/things/imports/')) keys.push(key)
  return keys.length
}

/** Runs an import in a process of its own. @returns what it printed; null where `struck` had it killed. */
async function importApart(args: readonly string[], struck: () => Promise<boolean>): Promise<string | null> {
  const process_ = spawn(process.execPath, ['--import', 'tsx', child, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const closed = once(process_, 'close')
  let printed = ''
  process_.stdout.on('data', (part: Buffer) => (printed += part.toString()))
  while (process_.exitCode === null && process_.signalCode === null) {
    if (await struck()) process_.kill('SIGKILL')
    await new Promise(setImmediate)
  }
  await closed
  return process_.signalCode === 'SIGKILL' ? null : printed
}

it('an import killed after its first part, and again after its third, leaves the former version whole and ends as if nothing had been', async () => {
  const [before, source] = [await folderOf('before', 1, 20), await folderOf('killed', 1_000, 600)]
  const storeFolder = inFolder('store')
  const scratch = inFolder('scratch')
  await mkdir(scratch)
  const store = await openFolderStore(storeFolder)
  const former = await runImport(stepContext({ store }), { source: before })
  const args = [path.resolve(storeFolder), scratch, source]
  for (const records of [1, 3]) {
    expect(await importApart(args, async () => (await recordsIn(store)) >= records)).toBeNull()
    expect(await recordsIn(store)).toBeGreaterThanOrEqual(records)
    expect(await resolveVersion(store, 'things')).toMatchObject({ version: former.version })
    const reader = await openVersion(store, former)
    for await (const { bytes } of reader.images()) expect(bytes.length).toBeGreaterThan(0)
  }
  const version = await importApart(args, () => Promise.resolve(false))
  const undisturbed = stepContext()
  await runImport(undisturbed, { source: before })
  expect(version).toBe((await runImport(undisturbed, { source })).version)
  expect(await recordsIn(store)).toBe(0)
})
