import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { atLeast, defineContainerStep, definePipeline, defineStep, not, type Ref } from '#core/pipeline'
import type { Plan } from '#core/plan'
import { buildPlan } from '#core/planning'
import * as steps from '#core/steps'

const code = { pipeline: 'p', bundle: 'b', builtIn: (step: string) => `v-${step}` }
const list = defineStep({
  name: 'list',
  input: z.object({ folder: z.string(), threads: z.int().default(1) }),
  output: z.object({ files: z.array(z.object({ path: z.string() })), count: z.int(), isLarge: z.boolean() }),
  run: () => ({ files: [], count: 0, isLarge: false }),
})
const measure = defineStep({
  name: 'measure',
  input: z.object({ path: z.string(), unit: z.enum(['mm', 'px']).default('mm') }),
  output: z.object({ size: z.number() }),
  run: () => ({ size: 1 }),
})
const total = defineStep({
  name: 'total',
  input: z.object({ sizes: steps.artifacts.table(measure.output) }),
  output: z.object({ size: z.number() }),
  run: () => ({ size: 1 }),
})
type Build = Parameters<typeof definePipeline>[0]['build']
const planOf = (build: Build, given: object = {}): Plan =>
  buildPlan(definePipeline({ name: 'main', params: z.object({ given: z.unknown() }), build }), { given }, code)
const nodeOf = (plan: Plan, id: string) => plan.nodes.find((node) => node.id === id)!

describe('step.map', () => {
  it('is one node, whose input says what each item gives', () => {
    const plan = planOf(({ step }) => {
      const { files } = step('list', list, { folder: '/a' })
      const sizes = step.map('measure', measure, { over: files, input: (file) => ({ path: file.path }) })
      step('total', total, { sizes })
    })
    expect(nodeOf(plan, 'measure')).toMatchObject({
      kind: 'map',
      step: 'measure',
      input: { path: { $ref: '$item', path: ['path'] } },
      needs: ['list'],
      map: { over: { $ref: 'list', path: ['files'] }, concurrency: 4, atLeast: 1, attempts: 3 },
    })
    expect(nodeOf(plan, 'total')).toMatchObject({ kind: 'activity', needs: ['measure'] })
    expect(plan.format).toBe(2)
  })

  it('maps over a list of values and references, with other results beside the item', () => {
    const plan = planOf(({ step }) => {
      const listed = step('list', list, { folder: '/a' })
      const sizes = step.map('first', measure, { over: ['x', 'y'], input: (path) => ({ path }) })
      step.map(
        'again',
        list,
        { over: sizes, input: () => ({ folder: '/b', threads: listed.count }) },
        { concurrency: 8, atLeast: 0.95, attempts: 1, when: listed.isLarge },
      )
    })
    expect(nodeOf(plan, 'first').map?.over).toEqual(['x', 'y'])
    expect(nodeOf(plan, 'again')).toMatchObject({
      needs: ['first', 'list'],
      map: { concurrency: 8, atLeast: 0.95, attempts: 1 },
    })
  })

  const refusedMaps: readonly (readonly [string, Build, string])[] = [
    [
      'a list that is none',
      ({ step }) => void step.map('m', measure, { over: 'x' as never, input: () => ({ path: 'x' }) }),
      'step "m": over: must be a list, or a reference to a list or a table',
    ],
    [
      'a map inside a map',
      ({ step }) =>
        void step.map('outer', measure, {
          over: ['x'],
          input: (path) => {
            step.map('inner', measure, { over: ['y'], input: () => ({ path: 'y' }) })
            return { path }
          },
        }),
      'step "inner": is added inside the input of map "outer"; add it before, and read its result there',
    ],
    [
      'an item outside of its map',
      ({ step }) => {
        let kept: Ref<string> | undefined
        step.map('m', measure, { over: ['x'], input: (path) => ({ path: (kept = path) }) })
        step('later', measure, { path: kept! })
      },
      'step "later": reads the item of a map; an item exists only inside the input of its map',
    ],
    [
      'a step that waits for people',
      ({ step }) => void step.map('m', steps.approve, { over: ['x'], input: (subject) => ({ subject }) }),
      'step "m": approve waits for people, so it cannot be mapped; use step',
    ],
    [
      'a share beyond all',
      ({ step }) => void step.map('m', measure, { over: ['x'], input: (path) => ({ path }) }, { atLeast: 2 }),
      'step "m": atLeast is 2; it must be a share from 0 to 1',
    ],
    [
      'no workers',
      ({ step }) => void step.map('m', measure, { over: ['x'], input: (path) => ({ path }) }, { concurrency: 0 }),
      'step "m": concurrency is 0; it must be a whole number from 1 to 200',
    ],
  ]
  it.each(refusedMaps)('refuses %s', (_, build, message) => {
    expect(() => planOf(build)).toThrow(
      expect.objectContaining({ code: 'PIPELINE_INVALID', message: `pipeline main: ${message}` }),
    )
  })

  it('refuses a command in an image', () => {
    const shrink = defineContainerStep({
      ...{ name: 'shrink', input: z.object({}), output: z.object({}), image: 'x', command: ['x'] },
    })
    expect(() => planOf(({ step }) => void step.map('m', shrink, { over: [1], input: () => ({}) }))).toThrow(
      'shrink is a command in an image, which cannot be mapped; use step in a loop',
    )
  })
})

describe('step.pipeline', () => {
  const inner = definePipeline({
    name: 'inner',
    params: z.object({ rounds: z.int().max(3).default(1) }),
    inputs: z.object({ folder: z.string(), go: z.boolean().default(true), least: z.int().default(5) }),
    build({ params, inputs, step }) {
      const listed = step('list', list, { folder: inputs.folder }, { when: inputs.go })
      for (let n = 1; n <= params.rounds; n += 1)
        step(`measure-${n}`, measure, { path: inputs.folder }, { when: atLeast(inputs.least, 3) })
      return { count: listed.count, folder: inputs.folder }
    },
  })

  it('puts the nodes of another pipeline into the plan, its conditions on top of those around it', () => {
    const plan = planOf(({ step }) => {
      const first = step('first', list, { folder: '/a' })
      const within = step.pipeline(
        'within',
        inner,
        { params: { rounds: 2 }, inputs: { folder: '/b', go: first.isLarge } },
        { when: not(first.isLarge) },
      )
      step('after', list, { folder: within.folder, threads: within.count })
    })
    const not1 = { kind: 'not', of: { kind: 'is', ref: { $ref: 'first', path: ['isLarge'] } } }
    expect(plan.nodes.map(({ id, needs }) => [id, needs])).toEqual([
      ['first', []],
      ['within.list', ['first']],
      ['within.measure-1', ['first']],
      ['within.measure-2', ['first']],
      ['after', ['within.list']],
    ])
    expect(nodeOf(plan, 'within.list')).toMatchObject({
      input: { folder: '/b' },
      when: { kind: 'all', of: [not1, { kind: 'is', ref: { $ref: 'first', path: ['isLarge'] } }] },
    })
    expect(nodeOf(plan, 'after').input).toEqual({ folder: '/b', threads: { $ref: 'within.list', path: ['count'] } })
    expect(plan.format).toBe(1)
  })

  it('is started by itself with its inputs as JSON beside the parameters', () => {
    const plan = buildPlan(inner, { rounds: '2', inputs: { folder: '/c' } }, code)
    expect(plan.nodes.map(({ id, input }) => [id, input])).toEqual([
      ['list', { folder: '/c' }],
      ['measure-1', { path: '/c' }],
      ['measure-2', { path: '/c' }],
    ])
    expect(() => buildPlan(inner, {}, code)).toThrow('pipeline inner, parameter inputs: ')
    expect(() => buildPlan(inner, { inputs: { folder: 7 } }, code)).toThrow('parameter inputs.folder: ')
  })

  it('nests, and keeps two uses of one pipeline apart', () => {
    const middle = definePipeline({
      name: 'middle',
      params: z.object({}),
      build: ({ step }) => step.pipeline('deep', inner, { inputs: { folder: '/d' } }),
    })
    const plan = planOf(({ step }) => {
      step.pipeline('one', middle, {})
      step.pipeline('two', middle, {})
    })
    expect(plan.nodes.map(({ id }) => id)).toEqual([
      ...['one.deep.list', 'one.deep.measure-1', 'two.deep.list', 'two.deep.measure-1'],
    ])
  })

  it.each([
    [
      { params: { rounds: 9 }, inputs: { folder: '/a' } },
      'PIPELINE_PARAMS_INVALID',
      'parameter within.rounds: Too big',
    ],
    [
      { params: { round: 1 }, inputs: { folder: '/a' } },
      'PIPELINE_PARAMS_INVALID',
      'parameter within.round: is not known',
    ],
    [{ inputs: {} }, 'PIPELINE_INVALID', 'step "within": pipeline inner needs the input "folder"'],
    [{ inputs: { folder: 7 } }, 'PIPELINE_INVALID', 'step "within": input folder: '],
    [
      { inputs: { folder: '', f: 1 } },
      'PIPELINE_INVALID',
      'step "within": pipeline inner has no input "f"; it has folder',
    ],
  ])('checks what it is given: %j', (given, errorCode, sentence) => {
    expect(() => planOf(({ step }) => void step.pipeline('within', inner, given as never))).toThrow(
      expect.objectContaining({ code: errorCode, message: expect.stringContaining(sentence) as string }),
    )
  })

  it('refuses pipelines that contain each other, with the way around', () => {
    const tools = { other: null as unknown as typeof inner }
    const one = definePipeline({
      name: 'one',
      params: z.object({}),
      build: ({ step }) => void step.pipeline('other', tools.other as never, {}),
    })
    tools.other = definePipeline({
      name: 'other',
      params: z.object({}),
      build: ({ step }) => void step.pipeline('one', one, {}),
    }) as never
    expect(() => buildPlan(one, {}, code)).toThrow('pipeline one would contain itself: one → other → one')
  })

  it('refuses a reference of another pipeline', () => {
    let kept: Ref<number> | undefined
    planOf(({ step }) => void (kept = step('list', list, { folder: '/a' }).count))
    expect(() => planOf(({ step }) => void step('list', list, { folder: '/b', threads: kept! }))).toThrow(
      'step "list": reads "list.count" of another pipeline; pass it on as an input, with step.pipeline',
    )
    expect(() => planOf(({ step }) => void step('a', list, { folder: '/b' }, { when: atLeast(kept!, 1) }))).toThrow(
      'step "a": reads "list.count" of another pipeline',
    )
  })
})

describe('options', () => {
  it('salt a result, leave inputs out of its key, and keep a step in the pipeline worker', () => {
    const glance = defineStep({ ...list, name: 'glance', policy: { quick: true } })
    const plan = planOf(({ step }) => {
      step('list', list, { folder: '/a' }, { cache: { salt: 'v2', ignore: ['threads'] } })
      step('glance', glance, { folder: '/a' })
      step('fresh', list, { folder: '/a' }, { cache: false })
    })
    expect(plan.nodes.map(({ policy }) => policy)).toEqual([
      { queue: 'cpu', timeoutMs: 3_600_000, attempts: 20, cache: true, salt: 'v2', ignore: ['threads'] },
      { queue: 'pipeline', timeoutMs: 60_000, attempts: 20, cache: true, quick: true },
      { queue: 'cpu', timeoutMs: 3_600_000, attempts: 20, cache: false },
    ])
  })

  it('refuse to ignore an input that there is not', () => {
    const ignore = ['thread'] as never[]
    expect(() => planOf(({ step }) => void step('list', list, { folder: '/a' }, { cache: { ignore } }))).toThrow(
      'step "list": cache.ignore: list has no input "thread"; it has folder, threads',
    )
  })
})

describe('a secret in the parameters', () => {
  const refuse = (params: object) => expect(() => planOf(({ step }) => void step('l', list, { folder: '' }), params))

  it.each([
    [{ apiKey: 'abcd' }, 'apiKey'],
    [{ scanner: { password: 'hunter2' } }, 'scanner.password'],
    [{ SCANNER_TOKEN: 'x1' }, 'SCANNER_TOKEN'],
    [{ note: `key ${'AKIA'}${'A'.repeat(16)}` }, 'note'],
    [{ note: `${'ghp_'}${'a1'.repeat(18)}` }, 'note'],
    [{ note: ['-----BEGIN RSA', 'PRIVATE KEY-----'].join(' ') }, 'note'],
    [{ source: 'https://ada:pw@example.org/x' }, 'source'],
  ])('is refused with the way to pass it, and never repeated: %#', (params, path) => {
    refuse(params).toThrow(
      `pipeline main, parameter given.${path}: looks like a secret, which the plan would keep in plain text`,
    )
    refuse(params).not.toThrow(/hunter2|AKIAA|ghp_a|ada:pw/)
  })

  it('names a variable to read instead', () => {
    refuse({ apiKey: 'abcd' }).toThrow('read it in the step, as process.env.API_KEY')
    refuse({ texts: ['https://ada:pw@example.org'] }).toThrow('as process.env.TEXTS')
  })

  it.each([
    { source: '/data/secret/token', password: '/run/secrets/password' },
    { tokens: 'many', maxTokens: 7, tokenizer: 'bpe', keyboard: 'de', secretary: 'ada', monkey: 'k' },
    { digest: 'a'.repeat(64), image: `x@sha256:${'0f'.repeat(32)}`, url: 'https://example.org:8443/a@b' },
    { token: 'SCANNER_TOKEN', apiKey: '', certificate: '-----BEGIN CERTIFICATE-----' },
  ])('is not seen where there is none: %j', (params) => {
    refuse(params).not.toThrow()
  })
})
