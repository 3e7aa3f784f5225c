/** Re-runs and forks on one real stack, with a project of its own: what ran is what the steps wrote down. */

import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { Client, Connection, WorkflowNotFoundError } from '@temporalio/client'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Forecast, RunReport, RunSummary } from '#core/runs'
import { gyre, StateFolders, type RunningStack } from '../support/gyre.ts'

const LONG_MS = 120_000
const folders = new StateFolders()
let state: string
let project: string
let effects: string
let stack: RunningStack

/** Each body writes its name down, so that what ran can be counted. */
const stepFile = (name: string, sum: string): string => `
import { appendFileSync } from 'node:fs'
import { z } from 'zod'
import { defineStep } from 'gyre/pipeline'
export const ${name} = defineStep({
  name: '${name}',
  input: z.object({ value: z.number() }),
  output: z.object({ value: z.number() }),
  async run({ value }) {
    appendFileSync(${JSON.stringify(effects)}, '${name} ')
    return { value: ${sum} }
  },
})
`

const PIPELINE = `
import { z } from 'zod'
import { definePipeline } from 'gyre/pipeline'
import { first } from '../steps/first.ts'
import { second } from '../steps/second.ts'
import { told } from '../steps/told.ts'
export default definePipeline({
  name: 'sums',
  params: z.object({ k: z.int() }),
  build({ params, step }) {
    const a = step('first', first, { value: params.k })
    const b = step('second', second, { value: a.value })
    step('told', told, { value: b.value }, { cache: false })
  },
})
`

beforeAll(async () => {
  state = folders.create()
  project = path.join(path.dirname(state), 'project')
  effects = path.join(path.dirname(state), 'effects')
  for (const folder of ['pipelines', 'steps']) mkdirSync(path.join(project, folder), { recursive: true })
  writeFileSync(path.join(project, 'pipelines/sums.ts'), PIPELINE)
  for (const name of ['first', 'second', 'told'])
    writeFileSync(path.join(project, `steps/${name}.ts`), stepFile(name, 'value % 10'))
  stack = await folders.startDev(state, [], { GYRE_PROJECT_DIR: project })
  await carried('pipeline', 'run', 'sums', '--param', 'k=1', '--run-id', 'base', '--wait')
}, LONG_MS)

afterAll(() => folders.clean())
beforeEach(() => writeFileSync(effects, ''))

async function carried<T = RunReport>(...args: readonly string[]): Promise<T> {
  const { code, stdout, stderr } = await gyre([...args, '--json', '--state', state])
  expect({ code, stderr }).toMatchObject({ code: 0 })
  return JSON.parse(stdout) as T
}

const ran = (): string => readFileSync(effects, 'utf8').trim()
const told = ({ steps }: RunReport): string[] => steps.map(({ id, origin, reason }) => `${id} ${origin}: ${reason}`)

describe('a re-run', () => {
  it(
    'runs the step that was asked for and what is never cached after it, and takes over what came out equal',
    async () => {
      const report = await carried('run', 'rerun', 'base', '--from', 'first', '--yes', '--wait', '--run-id', 'again')
      expect(ran()).toBe('first told')
      expect(told(report)).toEqual([
        'first ran: asked for',
        'second reused: as in base',
        'told ran: something before it ran',
      ])
      expect(report.basedOn).toEqual({ kind: 'rerun', run: 'base', forced: ['first'] })
      expect((await carried('run', 'show', 'base')).derived).toContain('again')
    },
    LONG_MS,
  )

  it(
    'with another parameter computes what depends on it, as far as results differ',
    async () => {
      const report = await carried('run', 'rerun', 'base', '--param', 'k=11', '--yes', '--wait', '--run-id', 'eleven')
      expect(ran()).toBe('first told')
      expect(told(report).slice(0, 2)).toEqual(['first ran: input value: 1 → 11', 'second reused: as in base'])
    },
    LONG_MS,
  )

  it('takes everything over where nothing has changed', async () => {
    await carried('run', 'rerun', 'base', '--param', 'k=1', '--yes', '--wait', '--run-id', 'same')
    expect(ran()).toBe('')
  })

  it('asks before it starts, and needs --yes where nobody can be asked', async () => {
    const { code, stderr } = await gyre(['run', 'rerun', 'base', '--from', 'first', '--state', state])
    expect(code).toBe(2)
    expect(stderr).toMatch(
      /^gyre: rerun of base: 2 to run, 1 decided on the way.*say --yes to start it without being asked/,
    )
    const unknown = await gyre(['run', 'rerun', 'base', '--from', 'third', '--yes', '--state', state])
    expect(unknown.stderr).toContain('base has no step "third"; it has first, second, told')
    expect(ran()).toBe('')
  })
})

describe('a fork', () => {
  it(
    'runs what the new code changes, names the file, and agrees with its forecast',
    async () => {
      appendFileSync(path.join(project, 'steps/second.ts'), '// Changed.\nexport const changed = true\n')
      const plan = await carried<{ forecast: Forecast }>(
        'pipeline',
        'plan',
        'sums',
        '--param',
        'k=1',
        '--against',
        'base',
      )
      expect(plan.forecast.nodes.map(({ id, does }) => `${id} ${does}`)).toEqual([
        'first hit',
        'second run',
        'told run',
      ])
      const report = await carried('run', 'fork', 'base', '--pipeline', 'sums', '--yes', '--wait', '--run-id', 'forked')
      expect(ran()).toBe('second told')
      expect(told(report).slice(0, 2)).toEqual([
        'first reused: as in base',
        'second ran: code of step changed: steps/second.ts',
      ])
    },
    LONG_MS,
  )
})

describe('a plan', () => {
  it('says in one sentence that there is no such run or revision', async () => {
    const asked = ['pipeline', 'plan', 'sums', '--param', 'k=1', '--against', 'nonesuch', '--state', state]
    const { code, stderr } = await gyre(asked)
    expect({ code, stderr }).toMatchObject({ code: 2 })
    expect(stderr).toContain('against: there is no run "nonesuch", and')
  })
})

describe('a run that Temporal has forgotten', () => {
  it('is listed and shown from the store', async () => {
    const { temporalAddress: address, namespace } = stack.info
    const connection = await Connection.connect({ address })
    const client = new Client({ connection, namespace })
    await connection.workflowService.deleteWorkflowExecution({ namespace, workflowExecution: { workflowId: 'base' } })
    await expect
      .poll(
        () =>
          client.workflow
            .getHandle('base')
            .describe()
            .catch((error: unknown) => error),
        // The server deletes when its queues come to it.
        { timeout: 90_000 },
      )
      .toBeInstanceOf(WorkflowNotFoundError)
    await connection.close()
    const shown = await carried('run', 'show', 'base')
    expect(shown).toMatchObject({ status: 'completed', steps: [{ outputs: { value: 1 } }, {}, {}] })
    const listed = await carried<RunSummary[]>('run', 'list', '--pipeline', 'sums', '--status', 'completed')
    expect(listed.map(({ id }) => id)).toContain('base')
  }, 120_000)
})
