/** `gyre dataset query` and `views` as a person calls them, on an API over made-up images. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { silentLogger } from '#core/log'
import { createMemoryStore } from '#core/storage'
import { composePorts } from '../../apps/api/compose.ts'
import { buildServer, type Api } from '../../apps/api/server.ts'
import { madeVersion } from '../core/catalog/made.ts'
import { FakeEngine, NO_TRIGGERS } from '../support/fake-ports.ts'
import { gyre, type Ended } from '../support/gyre.ts'

let folder: string
let version: string
let api: Api
let env: NodeJS.ProcessEnv

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'gyre-cli-queries-'))
  const store = createMemoryStore()
  const images = Object.fromEntries(
    Array.from({ length: 600 }, (_, i) => [`i${i}`, { blur: i / 1_000, label: i % 2 ? 'dent' : null, width: i }]),
  )
  version = (await madeVersion(store, 'parts', images)).version
  api = await buildServer(
    composePorts({
      ...{ store, engine: new FakeEngine(), triggers: NO_TRIGGERS, gatewayUrl: null, servicesOnCluster: false },
      ownerToken: 'the-key-of-the-folder',
      catalogDir: path.join(folder, 'catalogs'),
    }),
    { log: silentLogger(), webDir: null, uploadsDir: folder, hosts: [], version: '0.1.0', temporalUi: null },
  )
  env = { GYRE_API_URL: await api.listen({ port: 0 }), GYRE_API_TOKEN: 'the-key-of-the-folder' }
})

afterAll(async () => {
  await api.close()
  await rm(folder, { recursive: true, force: true })
})

const dataset = (...args: string[]): Promise<Ended> =>
  gyre(['dataset', ...args, '--state', path.join(folder, 'state')], env)

async function json(...args: string[]): Promise<unknown> {
  const { code, stdout, stderr } = await dataset(...args, '--json')
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return JSON.parse(stdout)
}

describe('gyre dataset query', () => {
  it('shows the images that fit, and says how many there are', async () => {
    const { code, stdout } = await dataset('query', 'parts', "label = 'dent' and blur < 0.1", '--limit', '3')
    expect(code).toBe(0)
    expect(stdout).toMatch(/digest +label +split +width +height +blur +source/)
    expect(stdout.match(/i\d+\.png/g)).toHaveLength(3)
    expect(stdout).toContain('50 images fit')
  })

  it('gives as many rows, in the order and with the columns asked for', async () => {
    const page = (await json(
      'query',
      `parts@${version}`,
      '--order=-width',
      '--limit=550',
      '--columns=width,label',
    )) as {
      rows: unknown[]
    }
    expect(page).toMatchObject({ version, total: 600 })
    expect(page.rows).toHaveLength(550)
    expect(page.rows.slice(0, 2)).toEqual([
      { width: 599, label: 'dent' },
      { width: 598, label: null },
    ])
    expect(page.rows.at(-1)).toEqual({ width: 50, label: null })
    expect(await json('query', 'parts', 'label is null', '--count')).toEqual({ version, total: 300 })
  })

  it('saves conditions, takes them by name, lists and removes them', async () => {
    const saved = await dataset('query', 'parts', 'blur >= 0.5', '--save', 'blurry', '--note', 'lamp', '--count')
    expect(saved.stdout.trim()).toBe('100')
    expect(await json('query', 'parts', '--view', 'blurry', '--count')).toMatchObject({ total: 100 })
    expect(await json('views', 'parts')).toMatchObject([{ name: 'blurry', where: 'blur >= 0.5', note: 'lamp' }])
    const removed = await dataset('views', 'parts', '--remove', 'blurry')
    expect(removed.stdout).toContain('No views yet.')
  })

  it('says what is wrong with a condition, a column, a view or a dataset, with an exit code', async () => {
    const refusal = async (...args: string[]) => {
      const { code, stderr } = await dataset(...args)
      return [code, stderr]
    }
    expect(await refusal('query', 'parts', 'blurr > 1')).toEqual([2, expect.stringContaining('at character 1')])
    expect(await refusal('query', 'parts', '--columns', 'nothing')).toEqual([2, expect.stringContaining('no column')])
    expect(await refusal('query', 'parts', 'true', '--view', 'x')).toEqual([2, expect.stringContaining('one of them')])
    expect(await refusal('query', 'parts', '--view', 'nothing')).toEqual([
      3,
      expect.stringContaining('no view nothing'),
    ])
    expect(await refusal('query', 'nothing', 'true')).toEqual([3, expect.stringContaining('nothing')])
  })
})
