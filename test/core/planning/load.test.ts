import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { loadPipelines } from '#core/planning'

let project: string
beforeEach(async () => {
  project = await mkdtemp(path.join(os.tmpdir(), 'gyre-load-'))
  await mkdir(path.join(project, 'pipelines'))
})
afterEach(() => rm(project, { recursive: true, force: true }))

const source = (name: string, body = ''): string => `
  import { z } from 'zod'
  import { definePipeline } from 'gyre/pipeline'
  import * as steps from 'gyre/steps'
  ${body}
  export default definePipeline({ name: '${name}', params: z.object({}), build({ step }) {
    step('snapshot', steps.snapshotDataset, { dataset: 'd' })
  } })`
const write = (name: string, text: string): Promise<void> => writeFile(path.join(project, 'pipelines', name), text)
const load = (): ReturnType<typeof loadPipelines> => loadPipelines(project, path.join(project, 'cache'))

describe('loadPipelines', () => {
  it('finds each file by the name it defines, wherever the project lies', async () => {
    await write('one.ts', source('first'))
    await write('two.ts', source('second'))
    expect([...(await load()).keys()]).toEqual(['first', 'second'])
  })

  it('gives another digest when a file that it imports changes, and the same one when nothing does', async () => {
    await write('one.ts', source('first', "import './helper.js'"))
    await mkdir(path.join(project, 'pipelines/lib'))
    await write('helper.js', 'globalThis.x = 1')
    const digest = async (): Promise<string> => (await load()).get('first')!.digest
    const before = await digest()
    expect(await digest()).toBe(before)
    await write('helper.js', 'globalThis.x = 2')
    expect(await digest()).not.toBe(before)
  })

  it('names the line that does not compile', async () => {
    await write('broken.ts', 'export default {')
    await expect(load()).rejects.toThrow(/^pipelines\/broken\.ts:1:17 does not compile: /)
  })

  it('refuses a file without a definition', async () => {
    await write('empty.ts', 'export const a = 1')
    await expect(load()).rejects.toThrow('pipelines/empty.ts has no default export made by definePipeline; export one')
  })

  it('refuses two files with one name', async () => {
    await write('one.ts', source('same'))
    await write('two.ts', source('same'))
    await expect(load()).rejects.toThrow('both define "same"; rename one')
  })
})
