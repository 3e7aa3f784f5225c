import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { defineContainerStep, definePipeline, defineStep, type StepOptions } from '#core/pipeline'
import type { PlanContainer } from '#core/plan'
import { buildPlan, durationMs, parseParams, type CodeVersions } from '#core/planning'
import * as steps from '#core/steps'

const code = { pipeline: 'p'.repeat(64), bundle: 'b'.repeat(64), builtIn: (step: string) => `v-${step}` }
const pipeline = definePipeline({
  name: 'demo',
  params: z.object({
    dataset: z.string(),
    rounds: z.int().min(1).max(5).default(1),
    deep: z.object({ share: z.number().max(1) }).default({ share: 0.5 }),
  }),
  build({ params, step }) {
    const version = step('snapshot', steps.snapshotDataset, { dataset: params.dataset })
    for (let round = 1; round <= params.rounds; round += 1)
      step(`embed-${round}`, steps.embedImages, { version, seed: round })
  },
})

describe('buildPlan', () => {
  it('freezes nodes, edges, defaults and code versions', () => {
    const plan = buildPlan(pipeline, { dataset: 'd', rounds: 2 }, code)
    expect(plan.nodes.map(({ id, needs, codeVersion }) => [id, needs, codeVersion])).toEqual([
      ['snapshot', [], 'v-snapshot-dataset'],
      ['embed-1', ['snapshot'], 'v-embed-images'],
      ['embed-2', ['snapshot'], 'v-embed-images'],
    ])
    expect(plan.nodes[1]!.input).toEqual({ version: { $ref: 'snapshot', path: [] }, seed: 1 })
    expect(plan.params).toEqual({ dataset: 'd', rounds: 2, deep: { share: 0.5 } })
  })

  it('gives equal plans equal digests, and other parameters another one', () => {
    const digest = (rounds: number): string => buildPlan(pipeline, { dataset: 'd', rounds }, code).digest
    expect(digest(2)).toBe(digest(2))
    expect(digest(2)).not.toBe(digest(3))
  })

  it("pins a user's step to the bundle of its file", () => {
    const count = defineStep({ name: 'count', input: z.object({}), output: z.object({}), run: () => ({}) })
    const own = definePipeline({
      name: 'own',
      params: z.object({}),
      build: ({ step }) => void step('count', count, {}),
    })
    expect(buildPlan(own, {}, code).nodes[0]).toMatchObject({ bundle: code.bundle, codeVersion: code.pipeline })
  })

  describe('of a container step', () => {
    const planOf = (container: Partial<PlanContainer>, options: StepOptions = {}, from: CodeVersions = code) => {
      const shrink = defineContainerStep({
        name: 'shrink',
        input: z.object({}),
        output: z.object({}),
        image: 'python:3.12',
        command: ['python', 'x.py'],
        ...container,
      })
      const own = definePipeline({
        name: 'own',
        params: z.object({}),
        build: ({ step }) => void step('shrink', shrink, {}, options),
      })
      return buildPlan(own, {}, from).nodes[0]!
    }

    it('freezes what is run, and pins it to its image, its command and the file that defines it', () => {
      const node = planOf({ resources: { memory: '2Gi' }, files: ['w.bin'] })
      expect(node).toMatchObject({
        bundle: code.bundle,
        container: {
          image: 'python:3.12',
          command: ['python', 'x.py'],
          resources: { memory: '2Gi' },
          files: ['w.bin'],
        },
      })
      const version = planOf({}).codeVersion
      expect(planOf({}).codeVersion).toBe(version)
      const others = [
        planOf({ image: 'python:3.13' }),
        planOf({ command: ['y'] }),
        planOf({}, {}, { ...code, pipeline: 'q' }),
      ]
      for (const other of others) expect(other.codeVersion).not.toBe(version)
    })

    it('takes the GPUs of its definition, or of its use', () => {
      expect(planOf({ resources: { gpus: 1 } })).toMatchObject({
        policy: { queue: 'gpu' },
        container: { resources: { gpus: 1 } },
      })
      expect(planOf({ resources: { cpu: '4', gpus: 1 } }, { gpus: 2 })).toMatchObject({
        policy: { queue: 'gpu', gpus: 2 },
        container: { resources: { cpu: '4', gpus: 2 } },
      })
    })

    it.each([
      [{ image: 'A B' }, 'step shrink, image: is no name of an image'],
      [{ command: [] }, 'step shrink, command: Too small: expected array to have >=1 items'],
      [{ resources: { memory: '2 GB' } }, 'step shrink, resources.memory: is no amount such as 512Mi or 4Gi'],
      [{ resources: { cpu: 'all' } }, 'step shrink, resources.cpu: is no amount such as 500m or 2'],
      [{ files: ['../up'] }, 'step shrink, files.0: is no plain file name'],
      [{ files: ['output.json'] }, 'step shrink, files.0: is the result itself'],
      [{ env: { 'A B': '1' } }, 'step shrink, env.A B: Invalid key in record'],
    ])('refuses %j', (container, message) => {
      expect(() => planOf(container)).toThrow(
        expect.objectContaining({ code: 'PIPELINE_INVALID', message: `pipeline own: ${message}` }),
      )
    })
  })

  it('tells GPUs that a built-in step is to get', () => {
    const own = definePipeline({
      name: 'own',
      params: z.object({}),
      build: ({ step }) => void step('snapshot', steps.snapshotDataset, { dataset: 'd' }, { gpus: 1 }),
    })
    expect(buildPlan(own, {}, code).nodes[0]!.policy).toMatchObject({ queue: 'gpu', gpus: 1 })
    expect(buildPlan(pipeline, { dataset: 'd' }, code).nodes[0]!.policy).not.toHaveProperty('gpus')
  })

  it.each([
    ['a missing parameter', {}, 'pipeline demo, parameter dataset: Invalid input: expected string, received undefined'],
    [
      'a parameter out of bounds',
      { dataset: 'd', rounds: 9 },
      'pipeline demo, parameter rounds: Too big: expected number to be <=5',
    ],
    [
      'an unknown parameter',
      { dataset: 'd', round: 2 },
      'pipeline demo, parameter round: is not known; check its spelling',
    ],
    [
      'a wrong field deep down',
      { dataset: 'd', deep: { share: 2 } },
      'pipeline demo, parameter deep.share: Too big: expected number to be <=1',
    ],
  ])('refuses %s with its path', (_, params, message) => {
    expect(() => buildPlan(pipeline, params, code)).toThrow(
      expect.objectContaining({ code: 'PIPELINE_PARAMS_INVALID', message }),
    )
  })

  it('reads text from a command line as what the parameter wants', () => {
    expect(parseParams(pipeline, { dataset: '7', rounds: '3', deep: '{"share":0.25}' })).toEqual({
      dataset: '7',
      rounds: 3,
      deep: { share: 0.25 },
    })
  })

  it('refuses two steps of one id', () => {
    const twice = definePipeline({
      name: 'twice',
      params: z.object({}),
      build({ step }) {
        step('a', steps.snapshotDataset, { dataset: 'd' })
        step('a', steps.snapshotDataset, { dataset: 'd' })
      },
    })
    expect(() => buildPlan(twice, {}, code)).toThrow('step "a": the id is used twice')
  })

  it('refuses 2,001 nodes', () => {
    const wide = definePipeline({
      name: 'wide',
      params: z.object({}),
      build({ step }) {
        for (let n = 0; n <= 2_000; n += 1) step(`n${n}`, steps.snapshotDataset, { dataset: 'd' })
      },
    })
    expect(() => buildPlan(wide, {}, code)).toThrow(expect.objectContaining({ code: 'PLAN_TOO_LARGE' }))
  })
})

describe('durationMs', () => {
  it.each([
    ['250ms', 250],
    ['30s', 30_000],
    ['1.5h', 5_400_000],
    ['14d', 1_209_600_000],
  ])('reads %s', (text, ms) => {
    expect(durationMs(text)).toBe(ms)
  })

  it('refuses what is no duration', () => {
    expect(() => durationMs('soon')).toThrow('"soon" is not a duration; write it as 30s, 10m, 2h or 14d')
  })
})
