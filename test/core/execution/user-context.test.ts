import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { userContext } from '#adapter/execution/user-context'
import type { UserStepContext } from '#core/pipeline'
import { openFolderStore, sha256Hex, type ObjectStore } from '#core/storage'

let folder: string
let store: ObjectStore
let ctx: UserStepContext
const contextOf = (node: string, item?: number): UserStepContext =>
  userContext(
    {
      ...{ store, runId: 'r', nodeId: node, attempt: 1, scratchDir: folder },
      ...{ signal: new AbortController().signal, log: undefined as never, progress: () => undefined },
    },
    item,
  )
beforeEach(async () => {
  folder = await mkdtemp(path.join(os.tmpdir(), 'gyre-context-'))
  store = await openFolderStore(path.join(folder, 'store'))
  ctx = contextOf('n')
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const bytes = new TextEncoder().encode('{"words":3}')
const all = async <T>(items: AsyncIterable<T>): Promise<T[]> => {
  const found: T[] = []
  for await (const item of items) found.push(item)
  return found
}

describe('artifacts', () => {
  it('are the same blob whichever way they come', async () => {
    const file = path.join(folder, 'in.json')
    await writeFile(file, bytes)
    const parts = async function* () {
      yield bytes.subarray(0, 4)
      yield await Promise.resolve(bytes.subarray(4))
    }
    const blob = { sha256: sha256Hex(bytes), sizeBytes: bytes.length }
    expect(await ctx.artifacts.put(bytes)).toEqual(blob)
    expect(await ctx.artifacts.put({ path: file })).toEqual(blob)
    expect(await ctx.artifacts.put(parts())).toEqual(blob)
  })

  it('are read as bytes, as a stream, as a file and as JSON', async () => {
    const open = ctx.artifacts.open(await ctx.artifacts.put(bytes))
    expect(await open.json()).toEqual({ words: 3 })
    expect(Buffer.from(await open.bytes())).toEqual(Buffer.from(bytes))
    expect(Buffer.concat(await all(open.stream()))).toEqual(Buffer.from(bytes))
    expect(path.isAbsolute(await open.path())).toBe(true)
  })

  it('are refused where their bytes are not what was stored', async () => {
    const { sha256, sizeBytes } = await ctx.artifacts.put(bytes)
    const key = `blobs/sha256/${sha256.slice(0, 2)}/${sha256}`
    await store.delete(key)
    await store.create(
      key,
      bytes.map((byte) => byte ^ 1),
    )
    const open = ctx.artifacts.open({ sha256, sizeBytes })
    for (const read of [open.bytes, open.json, open.path, () => all(open.stream())])
      await expect(read()).rejects.toMatchObject({ code: 'OBJECT_CORRUPT' })
  })
})

describe('a table', () => {
  it('gives the rows that were written, in order, with any text in them', async () => {
    const rows = Array.from({ length: 2_000 }, (_, at) => ({ at, text: at % 7 === 0 ? 'ü\n"€' : 'x'.repeat(at % 50) }))
    const table = await ctx.artifacts.writeTable(rows)
    expect(table).toMatchObject({ kind: 'table', rows: 2_000, failed: 0, failures: null })
    expect(await all(ctx.artifacts.table(table))).toEqual(rows)
  })

  it('may be empty', async () => {
    const table = await ctx.artifacts.writeTable([])
    expect(table.rows).toBe(0)
    expect(await all(ctx.artifacts.table(table))).toEqual([])
  })

  it('keeps no row that is no JSON', async () => {
    await expect(ctx.artifacts.writeTable([1, undefined])).rejects.toMatchObject({
      code: 'STEP_OUTPUT_INVALID',
      message: 'row 2 of the table is no JSON; give text, numbers, lists or objects',
    })
  })
})

describe('a checkpoint', () => {
  it('is computed once per run and node, whichever attempt asks', async () => {
    let made = 0
    const make = () => ({ made: (made += 1) })
    expect(await ctx.checkpoint('first-half', make)).toEqual({ made: 1 })
    expect(await contextOf('n').checkpoint('first-half', make)).toEqual({ made: 1 })
    expect(await contextOf('other').checkpoint('first-half', make)).toEqual({ made: 2 })
    expect(await contextOf('n', 7).checkpoint('first-half', make)).toEqual({ made: 3 })
    expect(await store.head('runs/r/checkpoints/n/first-half.json')).not.toBeNull()
  })

  it('keeps null, and nothing of what fails', async () => {
    await expect(ctx.checkpoint('a', () => Promise.reject(new Error('not yet')))).rejects.toThrow('not yet')
    expect(await ctx.checkpoint('a', () => null)).toBeNull()
    expect(await ctx.checkpoint('a', () => 1)).toBeNull()
  })

  it('gives two attempts at once the same value', async () => {
    let made = 0
    const make = async () => Promise.resolve((made += 1))
    const [one, two] = await Promise.all([ctx.checkpoint('a', make), ctx.checkpoint('a', make)])
    expect(one).toBe(two)
  })

  it.each(['', 'A', 'a/b', '..', 'x'.repeat(81)])('refuses the key %j', async (key) => {
    await expect(ctx.checkpoint(key, () => 1)).rejects.toMatchObject({ code: 'INVALID_NAME' })
  })
})
