import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { loadPipelines, planRun } from '#core/planning'
import { createMemoryStore } from '#core/storage'

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

const countStep = (body: string): string => `
  import { z } from 'zod'
  import { defineStep } from 'gyre/pipeline'
  export const count = defineStep({ name: 'count', input: z.object({}), output: z.object({}), run() { ${body} } })`
const useCount = (rest = ''): string => `
  import { z } from 'zod'
  import { definePipeline } from 'gyre/pipeline'
  import * as steps from 'gyre/steps'
  import { count } from '../steps/count.ts'
  ${rest}
  export default definePipeline({ name: 'own', params: z.object({}), build({ step }) {
    step('count', count, {})
  } })`

describe('the code of a step', () => {
  const store = createMemoryStore()
  const plan = () => planRun({ store, projectDir: project, bundleDir: path.join(project, 'cache') }, 'own', {})
  const version = async (): Promise<string> => (await plan()).nodes[0]!.codeVersion
  beforeEach(async () => {
    await mkdir(path.join(project, 'steps'))
    await writeFile(path.join(project, 'steps/count.ts'), countStep('return {}'))
    await write('own.ts', useCount())
  })

  it('is the file that defines it: a change elsewhere leaves its version', async () => {
    const before = await version()
    await write('own.ts', useCount('console.log'))
    expect(await version()).toBe(before)
    await writeFile(path.join(project, 'steps/count.ts'), countStep('return { }; void 0'))
    expect(await version()).toBe(before)
    await writeFile(path.join(project, 'steps/count.ts'), countStep('return { a: 1 }'))
    expect(await version()).not.toBe(before)
  })

  it('covers what that file imports, and lists it in the store', async () => {
    await writeFile(path.join(project, 'steps/words.ts'), 'export const least = 3')
    const defined = countStep('return { least }')
    await writeFile(path.join(project, 'steps/count.ts'), `import { least } from './words.ts'\n${defined}`)
    const before = await version()
    const record = JSON.parse(new TextDecoder().decode(await store.get(`code/${before}.json`))) as { files: object }
    expect(Object.keys(record.files)).toEqual(['steps/count.ts', 'steps/words.ts'])
    await writeFile(path.join(project, 'steps/words.ts'), 'export const least = 4')
    expect(await version()).not.toBe(before)
  })

  it('is the whole file where the pipeline defines the step itself', async () => {
    const inline = countStep('return {}')
      .replace("import { z } from 'zod'", '')
      .replace('defineStep }', 'defineStep as define }')
    const own = useCount().replace(
      "import { count } from '../steps/count.ts'",
      inline.replace('= defineStep', '= define'),
    )
    await write('own.ts', own)
    const { nodes, codeVersion } = await plan()
    expect(nodes[0]!.codeVersion).toBe(codeVersion)
  })
})

describe("a failure in a user's file is told with file and line", () => {
  const plan = () =>
    planRun({ store: createMemoryStore(), projectDir: project, bundleDir: path.join(project, 'cache') }, 'own', {})
  beforeEach(async () => {
    await mkdir(path.join(project, 'steps'))
    await writeFile(path.join(project, 'steps/count.ts'), countStep('return {}'))
  })

  it('when a step file throws as it is loaded', async () => {
    await writeFile(path.join(project, 'steps/count.ts'), `${countStep('')}\n\nthrow new Error('no licence')`)
    await write('own.ts', useCount())
    await expect(plan()).rejects.toMatchObject({
      code: 'PIPELINE_INVALID',
      message: 'steps/count.ts:6 fails when it is loaded: no licence',
    })
  })

  it.each([
    ["step('count', count, {})", 'step "count": the id is used twice; ids name results, so each must be its own'],
    ["step('b', count, { x: 1 })", 'step "b": count has no input "x"; it has none'],
    ['null.x', "build fails: Cannot read properties of null (reading 'x')"],
    [
      "step('b', count, new Date())",
      'step "b": input (input): a Date is no JSON; pass text, numbers, lists, objects or references',
    ],
  ])('when build says %s', async (line, sentence) => {
    await write('own.ts', useCount().replace('{})\n', `{})\n    ${line}\n`))
    await expect(plan()).rejects.toMatchObject({
      code: 'PIPELINE_INVALID',
      message: `pipelines/own.ts:9: pipeline own: ${sentence}`,
    })
  })

  it('when a step file does not compile', async () => {
    await writeFile(path.join(project, 'steps/count.ts'), '\nexport const = 1')
    await write('own.ts', useCount())
    await expect(plan()).rejects.toThrow(/^steps\/count\.ts:2:14 does not compile: /)
  })
})
