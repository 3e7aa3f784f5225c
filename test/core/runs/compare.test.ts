import { describe, expect, it } from 'vitest'
import { compareRuns, type ComparedRun, type StepReport } from '#core/runs'
import type { Json, PlanNode } from '#core/plan'

const version = (digest: string, images: number): Json => ({ kind: 'dataset-version', version: digest, images })

const node = (id: string, changes: Partial<PlanNode> = {}): PlanNode => ({
  id,
  step: id,
  kind: 'activity',
  input: {},
  needs: [],
  when: null,
  policy: { queue: 'cpu', timeoutMs: 1, attempts: 1, cache: true },
  codeVersion: 'v1',
  bundle: null,
  ...changes,
})

const step = (id: string, outputs: Json, changes: Partial<StepReport> = {}): StepReport => ({
  id,
  step: id,
  needs: [],
  status: 'completed',
  origin: 'ran',
  attempts: 1,
  startedAt: '2026-03-02T10:00:00.000Z',
  endedAt: '2026-03-02T10:00:03.100Z',
  reason: null,
  progress: null,
  outputs,
  code: null,
  ...changes,
})

const run = (
  id: string,
  { nodes, steps, params = {} }: { nodes: PlanNode[]; steps: StepReport[]; params?: Json },
): ComparedRun => ({
  record: {
    run: id,
    plan: { format: 2, pipeline: 'p', codeVersion: '', params, nodes, digest: JSON.stringify(nodes) },
    by: 'ada',
    startedAt: '2026-03-02T10:00:00.000Z',
  },
  report: {
    id,
    pipeline: 'p',
    status: 'completed',
    startedAt: '2026-03-02T10:00:00.000Z',
    endedAt: '2026-03-02T10:01:00.000Z',
    params,
    temporalUrl: null,
    steps,
  },
})

const chain = (id: string, images: number, accuracy: number, changes: Partial<PlanNode> = {}): ComparedRun =>
  run(id, {
    nodes: [
      node('import'),
      node('train', {
        input: { version: { $ref: 'import', path: [] }, epochs: 3 },
        needs: ['import'],
        ...changes,
      }),
    ],
    steps: [step('import', version(`${images}`.repeat(4), images)), step('train', { accuracy })],
  })

const of = (a: ComparedRun, b: ComparedRun, id: string) => compareRuns(a, b).steps.find(({ name }) => name === id)!

describe('a comparison of two runs', () => {
  it('of equal runs says so', () => {
    const { samePlan, steps } = compareRuns(chain('a', 240, 0.9), chain('b', 240, 0.9))
    expect(samePlan).toBe(true)
    expect(steps.map(({ name, output, why }) => [name, output, why])).toEqual([
      ['import', 'same', []],
      ['train', 'same', []],
    ])
  })

  it('names the input that changed by what it is', () => {
    expect(of(chain('a', 240, 0.9), chain('b', 2712, 0.95), 'train')).toMatchObject({
      output: 'different',
      why: ['input version: dataset-version of 240 images 2402402402 → dataset-version of 2,712 images 2712271227'],
      figures: [{ name: 'accuracy', a: 0.9, b: 0.95 }],
      a: { tookMs: 3100 },
    })
  })

  it('tells a literal that was changed in the plan, other code, and another condition', () => {
    const changed = chain('b', 240, 0.9, {
      input: { version: { $ref: 'import', path: [] }, epochs: 5 },
      codeVersion: 'v2',
      when: { kind: 'is', ref: { $ref: 'import', path: ['fresh'] } },
    })
    expect(of(chain('a', 240, 0.9), changed, 'train').why).toEqual([
      'code of train differs',
      'runs when: always → import.fresh',
      'input epochs: 3 → 5',
    ])
  })

  it('says it where the same code and inputs gave another output', () => {
    expect(of(chain('a', 240, 0.9), chain('b', 240, 0.8), 'train').why).toEqual([
      'the same code and inputs gave another output',
    ])
  })

  it('keeps steps that only one of them has, and those that have no output yet', () => {
    const a = chain('a', 240, 0.9)
    const b = run('b', {
      nodes: [node('import'), node('extra')],
      steps: [
        step('import', null, { status: 'running', endedAt: null }),
        step('extra', null, { status: 'queued', startedAt: null, endedAt: null }),
      ],
    })
    expect(compareRuns(a, b).steps.map(({ name, output, why }) => [name, output, why])).toEqual([
      ['import', 'open', []],
      ['train', 'open', ['only in a']],
      ['extra', 'open', ['only in b']],
    ])
  })

  it('takes an input that is still to come for no difference', () => {
    const a = chain('a', 240, 0.9)
    const queued = { status: 'queued', startedAt: null, endedAt: null } as const
    const steps = [step('import', null, queued), step('train', null, queued)]
    const b: ComparedRun = { ...chain('b', 240, 0.9), report: { ...a.report, id: 'b', steps } }
    expect(of(a, b, 'train').why).toEqual([])
  })

  it('compares parameters by their paths', () => {
    const params = (value: Json): ComparedRun => run('r', { nodes: [], steps: [], params: value })
    const a = params({ dataset: 'parts', split: { seed: 7, classes: ['a', 'b'] } })
    const b = params({ dataset: 'parts', split: { seed: 8, classes: ['a', 'b'] }, k: 4 })
    expect(compareRuns(a, b).params).toEqual([
      { name: 'dataset', a: 'parts', b: 'parts' },
      { name: 'split.seed', a: 7, b: 8 },
      { name: 'split.classes', a: ['a', 'b'], b: ['a', 'b'] },
      { name: 'k', a: null, b: 4 },
    ])
  })

  it('takes the figures of a result, rows of a list by their class, without the sizes of files', () => {
    const output: Json = {
      accuracy: 0.97,
      interval: [0.96, 0.98],
      report: { sha256: 'f'.repeat(64), sizeBytes: 900 },
      perClass: [{ class: 'dent', recall: 0.9 }],
    }
    const one = (id: string): ComparedRun => run(id, { nodes: [node('evaluate')], steps: [step('evaluate', output)] })
    expect(of(one('a'), one('b'), 'evaluate').figures.map(({ name }) => name)).toEqual([
      'accuracy',
      'interval.0',
      'interval.1',
      'perClass.dent.recall',
    ])
  })
})
