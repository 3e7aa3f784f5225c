/** The compiled command line against one real stack: the loop on 120 small images, and everything that can be asked for wrongly. */

import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { renderSurfaces } from '#core/synthetic'
import { gyre, StateFolders, type Ended } from '../support/gyre.ts'

const folders = new StateFolders()
/** A whole loop, or several stacks, on a loaded machine of two cores. */
const LONG_MS = 240_000
let state: string
let pictures: string

beforeAll(async () => {
  state = folders.create()
  pictures = path.join(path.dirname(state), 'pictures')
  await renderSurfaces({ directory: pictures, images: 240, size: 32 })
  await folders.startDev(state)
})

afterAll(() => folders.clean())

const on = (...args: string[]): Promise<Ended> => gyre([...args, '--state', state])

async function json<T>(...args: string[]): Promise<T> {
  const { code, stdout, stderr } = await on(...args, '--json')
  expect({ code, stderr }).toMatchObject({ code: 0 })
  return JSON.parse(stdout) as T
}

/** Exit code and error of a command that must fail; the text for people must be one sentence. */
async function refusal(...args: string[]): Promise<{ exit: number | null; code: string; message: string }> {
  const { code, stdout, stderr } = await on(...args, '--json')
  const { error } = JSON.parse(stdout) as { error: { code: string; message: string } }
  expect(stderr).toContain(error.message)
  expect(error.message).not.toContain('\n')
  return { exit: code, code: error.code, message: error.message }
}

interface Step {
  readonly id: string
  readonly status: string
  readonly origin: string | null
}

describe('gyre dataset', () => {
  it('imports a folder and tells what it rejected, and why', async () => {
    const folder = path.join(path.dirname(state), 'mixed')
    mkdirSync(folder)
    const picture = readFileSync(path.join(pictures, 'clean/clean-0000.jpg'))
    writeFileSync(path.join(folder, 'a picture.jpg'), picture)
    writeFileSync(path.join(folder, 'the same again.jpg'), picture)
    writeFileSync(path.join(folder, 'other.png'), readFileSync(path.join(pictures, 'dent/dent-0004.png')))
    writeFileSync(path.join(folder, 'empty.jpg'), '')
    writeFileSync(path.join(folder, 'half.jpg'), picture.subarray(0, picture.length >> 1))

    const imported = await json<Record<string, unknown>>('dataset', 'import', 'mixed', folder)
    expect(imported).toMatchObject({ name: 'mixed', images: 2, duplicates: 1 })
    expect(imported['version']).toMatch(/^[0-9a-f]{64}$/)
    const rejected = imported['rejected'] as { path: string; reason: string }[]
    expect(rejected.map(({ path: file }) => path.basename(file)).sort()).toEqual(['empty.jpg', 'half.jpg'])
    expect(rejected.every(({ reason }) => reason.length > 0)).toBe(true)
    expect(await json<{ name: string }[]>('dataset', 'list')).toContainEqual(expect.objectContaining({ name: 'mixed' }))
    expect(await json('dataset', 'show', 'mixed')).toMatchObject({ images: 2, labelled: 0 })
  })

  it('refuses a folder that is missing, and one without images', async () => {
    expect(await refusal('dataset', 'import', 'nothing', path.join(pictures, 'missing'))).toMatchObject({
      exit: 3,
      code: 'DATASET_SOURCE_NOT_FOUND',
    })
    const empty = path.join(path.dirname(state), 'empty')
    mkdirSync(empty)
    expect(await refusal('dataset', 'import', 'nothing', empty)).toMatchObject({ exit: 2, code: 'DATASET_EMPTY' })
    expect(await refusal('dataset', 'show', 'nothing')).toMatchObject({ exit: 3, code: 'DATASET_NOT_FOUND' })
  })
})

describe('gyre pipeline and gyre run', () => {
  it('plans without running', async () => {
    const params = ['--param', 'dataset=parts', '--param', 'source=/x', '--param', 'classes=good,bad']
    const plan = await json<{ nodes: { id: string }[] }>('pipeline', 'plan', 'image-classifier', ...params)
    expect(plan.nodes.map(({ id }) => id)).toContain('annotate')
    const text = await on('pipeline', 'plan', 'image-classifier', ...params)
    expect(text.stdout).toContain('evaluate.beatsChampion')
    const mermaid = await on('pipeline', 'plan', 'image-classifier', ...params, '--format', 'mermaid')
    expect(mermaid.stdout.startsWith('flowchart TD\n')).toBe(true)
  })

  it('refuses an unknown pipeline and wrong parameters at submit, with their path', async () => {
    expect(await refusal('pipeline', 'run', 'nonesuch')).toMatchObject({ exit: 3, code: 'PIPELINE_NOT_FOUND' })
    const wrong = ['--param', 'dataset=parts', '--param', 'classes=good']
    const refused = await refusal('pipeline', 'run', 'image-classifier', ...wrong)
    expect(refused).toMatchObject({ exit: 2, code: 'PIPELINE_PARAMS_INVALID' })
    expect(refused.message).toContain('classes')
  })

  it('refuses an unknown run', async () => {
    expect(await refusal('run', 'show', 'nonesuch')).toMatchObject({ exit: 3, code: 'RUN_NOT_FOUND' })
  })

  it('waits for a run, exits as its failed step says, and resumes once the cause is mended', async () => {
    const late = path.join(path.dirname(state), 'late')
    const params = ['--param', 'dataset=late', '--param', `source=${late}`]
    const failed = await on('pipeline', 'run', 'import-dataset', ...params, '--run-id', 'late-1', '--wait')
    expect(failed.code).toBe(3)
    expect(failed.stdout).toContain('./gyre run resume late-1')

    mkdirSync(late)
    writeFileSync(path.join(late, 'one.jpg'), readFileSync(path.join(pictures, 'clean/clean-0000.jpg')))
    const resumed = await json<{ status: string; steps: Step[] }>('run', 'resume', 'late-1', '--wait')
    expect(resumed).toMatchObject({
      status: 'completed',
      steps: [{ id: 'import', status: 'completed', origin: 'ran' }],
    })
    expect(await refusal('run', 'resume', 'late-1')).toMatchObject({ exit: 4, code: 'RUN_NOT_RESUMABLE' })
    // What its first attempt said is kept, beside the success of the second.
    const logs = await json<{ step: string; level: string; text: string }[]>('run', 'logs', 'late-1', '--follow')
    expect(logs[0]).toMatchObject({ step: 'import', level: 'error', text: expect.stringContaining(late) as string })
    expect((await on('run', 'logs', 'late-1', 'import')).stdout).toContain(`error: ${logs[0]?.text}`)
    expect(await refusal('run', 'logs', 'late-1', 'nonesuch')).toMatchObject({ exit: 2, code: 'INVALID_INPUT' })
    const same = await json<{ steps: { output: string }[] }>('run', 'compare', 'late-1', 'late-1')
    expect(same.steps.map(({ output }) => output)).toEqual(['same'])
    const runs = await json<{ id: string; pipeline: string; status: string }[]>('run', 'list')
    expect(runs).toContainEqual(
      expect.objectContaining({ id: 'late-1', pipeline: 'import-dataset', status: 'completed' }),
    )
  })
})

describe('the loop', () => {
  it(
    'runs as a demo on a folder with one sub-folder per class, and prints one object',
    async () => {
      const report = await json<Record<string, Record<string, unknown>>>('demo', '--exit', '--images', pictures)
      expect(report).toMatchObject({
        classes: 6,
        dataset: { name: 'pictures' },
        labelling: { costModel: 'keyboard' },
        model: { name: 'pictures', version: 1, trainer: 'head' },
        endpoint: { name: 'pictures', agree: 1 },
        run: { status: 'completed' },
      })
      expect(Object.keys(report).sort()).toEqual(
        ['classes', 'dataset', 'endpoint', 'evaluation', 'images', 'labelling', 'model', 'run', 'seconds'].sort(),
      )

      const run = String(report['run']?.['id'])
      // A job of its own process is heard, too.
      expect((await on('run', 'logs', run, 'train')).stdout).toContain('trained {"metrics":')
      const { steps } = await json<{ steps: Step[] }>('run', 'show', run)
      expect(steps.map(({ id }) => id)).toEqual([
        'import',
        'embed',
        'cluster',
        'annotate',
        'train',
        'evaluate',
        'register',
        'deploy',
        'prove',
      ])
      expect(steps.every(({ status, origin }) => status === 'completed' && origin === 'ran')).toBe(true)
    },
    LONG_MS,
  )

  it(
    'leaves an endpoint that answers, a model in the registry, and tasks that people can run',
    async () => {
      const file = path.join(pictures, 'clean/clean-0000.jpg')
      const predictions = await json<{ file: string; class: string; score: number }[]>(
        'endpoint',
        'predict',
        'pictures',
        file,
      )
      expect(predictions).toEqual([{ file, class: expect.any(String) as string, score: expect.any(Number) as number }])
      expect(await json<{ name: string }[]>('endpoint', 'list')).toContainEqual(
        expect.objectContaining({ name: 'pictures' }),
      )
      expect(await json('model', 'alias', 'pictures', '1', 'blessed')).toMatchObject({
        aliases: expect.arrayContaining([{ alias: 'blessed', version: 1 }]) as unknown,
      })

      const folder = path.join(path.dirname(state), 'to-do')
      mkdirSync(folder)
      writeFileSync(path.join(folder, 'good.jpg'), readFileSync(file))
      writeFileSync(path.join(folder, 'bad.jpg'), 'no picture')
      const task = await json<{
        status: string
        images: number
        failed: { path: string; reason: string }[]
        results: { csv: string; json: string; gallery: string }
      }>('batch', 'run', 'pictures', '--on', folder)
      expect(task.status).toBe('completed')
      expect(task.failed.map(({ path: name }) => path.basename(name))).toEqual(['bad.jpg'])
      expect(readFileSync(task.results.csv, 'utf8')).toContain('good.jpg')
      expect(readFileSync(task.results.gallery, 'utf8')).toContain('<html')

      const algorithm = path.join(folder, '..', 'sure.ts')
      const example = readFileSync('pipelines/algorithms/class-with-threshold.ts', 'utf8')
      // Surer than sure is nobody, so that every class is left out.
      writeFileSync(algorithm, example.replace('image-classifier@champion', 'pictures@champion').replace('>=', '>'))
      const judged = await json<typeof task>('batch', 'run', algorithm, '--on', folder, '--param', 'threshold=1')
      expect(judged).toMatchObject({ status: 'completed', images: 2 })
      const [header, , good] = readFileSync(judged.results.csv, 'utf8').split('\r\n')
      expect(header).toBe('path,image,class,score,reason')
      expect(good).toMatch(/^good\.jpg,[0-9a-f]{64},,[01]\.?\d*,$/)
      const wrong = ['batch', 'run', algorithm, '--on', folder, '--param'] as const
      expect(await refusal(...wrong, 'threshold=7')).toMatchObject({ exit: 2, code: 'INVALID_INPUT' })
      expect(await refusal(...wrong, 'treshold=0.5')).toMatchObject({ exit: 2, code: 'INVALID_INPUT' })
    },
    LONG_MS,
  )

  it('refuses images of one class', async () => {
    const single = path.join(path.dirname(state), 'single')
    mkdirSync(path.join(single, 'only'), { recursive: true })
    writeFileSync(path.join(single, 'only/one.jpg'), readFileSync(path.join(pictures, 'clean/clean-0000.jpg')))
    expect(await refusal('demo', '--exit', '--images', single)).toMatchObject({ exit: 2, code: 'DATASET_ONE_CLASS' })
    rmSync(single, { recursive: true })
  })
})

describe('gyre user', () => {
  it('adds a person by a link, and lists people', async () => {
    const added = await json<{ link: string }>('user', 'add', 'ada', '--role', 'annotator')
    expect(added).toMatchObject({ name: 'ada', role: 'annotator' })
    expect(new URL(added.link).pathname).toBe('/login')
    expect(await json('user', 'list')).toContainEqual(expect.objectContaining({ name: 'ada', role: 'annotator' }))
  })
})

describe('the command line', () => {
  it('answers --version quickly and wrong use with exit code 2', async () => {
    expect(await gyre(['--version'])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) as string,
    })
    expect(await gyre(['nonsense'])).toMatchObject({ code: 2 })
    expect(await gyre(['run', 'show'])).toMatchObject({ code: 2 })
    expect(await gyre(['dev', '--port', 'many'])).toMatchObject({ code: 2 })
  })

  it('works with the server that the environment names, for whoever has a token of it', async () => {
    const { apiUrl } = JSON.parse(readFileSync(path.join(state, 'stack.json'), 'utf8')) as { apiUrl: string }
    const token = readFileSync(path.join(state, 'owner-token'), 'utf8').trim()
    const elsewhere = (env: NodeJS.ProcessEnv) =>
      gyre(['dataset', 'list', '--json', '--no-start', '--state', folders.create()], { GYRE_API_URL: apiUrl, ...env })
    expect(await elsewhere({ GYRE_API_TOKEN: token })).toMatchObject({
      code: 0,
      stdout: (await on('dataset', 'list', '--json')).stdout,
    })
    expect((await elsewhere({ GYRE_API_TOKEN: 'another' })).stdout).toContain('UNAUTHENTICATED')
    const far = await elsewhere({ GYRE_API_URL: 'https://gyre.example' })
    expect(far).toMatchObject({ code: 2, stderr: expect.stringContaining('GYRE_API_TOKEN is not set') as string })
    expect(await elsewhere({ GYRE_API_URL: 'gyre.example' })).toMatchObject({ code: 2 })
  })

  it(
    'keeps a state as a backup that restores elsewhere, of a stack that runs and of one that does not',
    async () => {
      const other = folders.create()
      const { process: parent } = await folders.startDev(other)
      const imported = await gyre(['dataset', 'import', 'few', path.join(pictures, 'dent'), '--json', '--state', other])
      const { version } = JSON.parse(imported.stdout) as { version: string }
      const archive = path.join(path.dirname(other), 'backup.tar')
      expect(await gyre(['backup', archive, '--state', other])).toMatchObject({ code: 0 })
      parent.kill('SIGINT')
      await new Promise((resolve) => parent.once('close', resolve))

      expect(await gyre(['backup', archive, '--state', other])).toMatchObject({ code: 0 })
      expect(await gyre(['restore', archive, '--state', other])).toMatchObject({ code: 2 })
      const restored = folders.create()
      expect(await gyre(['restore', archive, '--state', restored])).toMatchObject({ code: 0 })
      const shown = await gyre(['dataset', 'show', 'few', '--json', '--state', restored])
      expect(JSON.parse(shown.stdout)).toMatchObject({ version })
      const runs = await gyre(['run', 'list', '--json', '--state', restored])
      expect(JSON.parse(runs.stdout)).toHaveLength(1)
    },
    LONG_MS,
  )
})
