/** Every wrong wiring below must not compile: `npm run types` fails when a `@ts-expect-error` has nothing to expect. */
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import {
  all,
  atLeast,
  defineContainerStep,
  definePipeline,
  defineStep,
  not,
  type PipelineDefinition,
} from 'gyre/pipeline'
import * as steps from 'gyre/steps'
import { buildPlan } from '#core/planning'

const code = { pipeline: 'a', bundle: null, builtIn: () => 'b' }
const plan = (definition: PipelineDefinition): unknown => buildPlan(definition, {}, code)
const define = (build: PipelineDefinition['build']): PipelineDefinition =>
  definePipeline({ name: 'wiring', params: z.object({}), build })

describe('wiring', () => {
  it('takes right references, values and conditions', () => {
    const definition = define(({ step }) => {
      const version = step('import', steps.importImages, { dataset: 'd', source: '/tmp' })
      const embeddings = step('embed', steps.embedImages, { version })
      const clusters = step('cluster', steps.clusterEmbeddings, { embeddings, k: 20 })
      const labelled = step('annotate', steps.annotate, { version, embeddings, clusters, classes: ['a', 'b'] })
      const model = step('train', steps.trainClassifier, { version: labelled.version, embeddings })
      const report = step('evaluate', steps.evaluate, { model, version: labelled.version })
      step('again', steps.evaluate, { model, version: labelled.version }, { when: not(report.beatsChampion) })
      step(
        'more',
        steps.snapshotDataset,
        { dataset: version.dataset },
        { when: all(report.beatsChampion, atLeast(report.accuracy, 0.9)) },
      )
    })
    expect(plan(definition)).toMatchObject({ nodes: { length: 8 } })
  })

  it('refuses an artifact of another kind', () => {
    define(({ step }) => {
      const version = step('snapshot', steps.snapshotDataset, { dataset: 'd' })
      // @ts-expect-error a dataset version is no embedding
      step('cluster', steps.clusterEmbeddings, { embeddings: version })
    })
  })

  it('refuses a missing input', () => {
    define(({ step }) => {
      // @ts-expect-error version is missing
      step('embed', steps.embedImages, { seed: 3 })
    })
  })

  it('refuses an unknown input, and says which there are', () => {
    const definition = define(({ step }) => {
      // @ts-expect-error no such input
      step('snapshot', steps.snapshotDataset, { dataset: 'd', datset: 'x' })
    })
    expect(() => plan(definition)).toThrow(
      'pipeline wiring: step "snapshot": snapshot-dataset has no input "datset"; it has dataset, ref',
    )
  })

  it('refuses a value of another type, with its path', () => {
    const definition = define(({ step }) => {
      // @ts-expect-error a number is no name
      step('snapshot', steps.snapshotDataset, { dataset: 7 })
    })
    expect(() => plan(definition)).toThrow(/step "snapshot": input dataset: .*expected string/)
  })

  it('refuses a condition that is no boolean', () => {
    define(({ step }) => {
      const version = step('snapshot', steps.snapshotDataset, { dataset: 'd' })
      // @ts-expect-error a number is no condition
      step('embed', steps.embedImages, { version }, { when: version.images })
    })
  })

  it('refuses a field that the output does not have', () => {
    define(({ step }) => {
      const version = step('snapshot', steps.snapshotDataset, { dataset: 'd' })
      // @ts-expect-error no such field
      void version.imagez
    })
  })

  it('checks a container step alike', () => {
    const shrink = defineContainerStep({
      name: 'shrink',
      input: z.object({ model: steps.artifacts.blobRef, bits: z.int() }),
      output: z.object({ error: z.number(), files: z.object({ 'model.onnx': steps.artifacts.blobRef }) }),
      image: 'registry.example/shrink@sha256:0',
      command: ['python', 'shrink.py'],
      files: ['model.onnx'],
    })
    define(({ step }) => {
      const first = step('first', shrink, { model: { sha256: 'a'.repeat(64), sizeBytes: 1 }, bits: 8 })
      step(
        'second',
        shrink,
        { model: first.files['model.onnx'], bits: 4 },
        { gpus: 1, when: atLeast(first.error, 0.1) },
      )
      // @ts-expect-error an error is no model
      step('third', shrink, { model: first.error, bits: 4 })
      // @ts-expect-error no such file
      void first.files['model.txt']
    })
    // @ts-expect-error the image is missing
    defineContainerStep({ name: 'wrong', input: z.object({}), output: z.object({}), command: ['x'] })
    defineContainerStep({
      name: 'wrong',
      input: z.object({}),
      output: z.object({}),
      image: 'x',
      command: ['x'],
      // @ts-expect-error GPUs are counted
      resources: { gpus: '1' },
    })
    expect(shrink).toMatchObject({ policy: { queue: 'cpu' }, container: { files: ['model.onnx'] } })
  })

  it("checks a user's own step alike", () => {
    const count = defineStep({
      name: 'count',
      input: z.object({ text: z.string() }),
      output: z.object({ words: z.int() }),
      run: ({ text }) => ({ words: text.split(' ').length }),
    })
    define(({ step }) => {
      const counted = step('count', count, { text: 'a b' })
      // @ts-expect-error words is a number, text wants a string
      step('again', count, { text: counted.words })
    })
    defineStep({
      name: 'wrong',
      input: z.object({}),
      output: z.object({ words: z.int() }),
      // @ts-expect-error the output is missing
      run: () => ({}),
    })
    expect(count.policy).toMatchObject({ queue: 'cpu' })
  })
})
