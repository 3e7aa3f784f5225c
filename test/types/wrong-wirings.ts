/**
 * Wirings that must not compile. The comment above each is the sentence that the compiler must say of the line below;
 * `wrong-wirings.test.ts` reads them.
 */

import { z } from 'zod'
import { all, atLeast, defineContainerStep, definePipeline, defineStep, not } from 'gyre/pipeline'
import * as steps from 'gyre/steps'
import { approval, artifacts } from 'gyre/steps'

const count = defineStep({
  name: 'count',
  input: z.object({
    text: z.string(),
    mode: z.enum(['words', 'lines']).default('words'),
    limits: z.object({ least: z.int(), most: z.int() }).optional(),
    names: z.array(z.string()).default([]),
  }),
  output: z.object({ words: z.int(), parts: z.array(z.object({ at: z.int(), text: z.string() })) }),
  run: ({ text }) => ({ words: text.length, parts: [] }),
})
const size = z.object({ path: z.string(), bytes: z.int() })
const total = defineStep({
  name: 'total',
  input: z.object({ sizes: artifacts.table(size) }),
  output: z.object({ bytes: z.int() }),
  run: () => ({ bytes: 0 }),
})
const shrink = defineContainerStep({
  name: 'shrink',
  input: z.object({ model: artifacts.blobRef, bits: z.int() }),
  output: z.object({ error: z.number(), files: z.object({ 'model.onnx': artifacts.blobRef }) }),
  image: 'registry.example/shrink@sha256:0',
  command: ['shrink'],
  files: ['model.onnx'],
})
const signOff = approval({ form: z.object({ batch: z.string() }) })
const inner = definePipeline({
  name: 'inner',
  params: z.object({ rounds: z.int() }),
  inputs: z.object({ version: artifacts.datasetVersion }),
  build({ step, inputs }) {
    return { embeddings: step('embed', steps.embedImages, { version: inputs.version }) }
  },
})

export default definePipeline({
  name: 'wrong',
  params: z.object({ dataset: z.string() }),
  build({ params, step }) {
    const version = step('version', steps.snapshotDataset, { dataset: params.dataset })
    const embeddings = step('embeddings', steps.embedImages, { version })
    const counted = step('counted', count, { text: 'a b' })
    const shrunk = step('shrunk', shrink, { model: { sha256: '', sizeBytes: 0 }, bits: 8 })
    const signed = step('signed', signOff, { subject: counted })
    const within = step.pipeline('within', inner, { params: { rounds: 1 }, inputs: { version } })
    const mapped = step.map('mapped', count, { over: counted.parts, input: ({ text }) => ({ text }) })

    // Artifacts

    // @ts-expect-error embeddings takes embeddings, not dataset-version
    step('w1', steps.clusterEmbeddings, { embeddings: version })
    // @ts-expect-error version takes dataset-version, not embeddings
    step('w2', steps.embedImages, { version: embeddings })
    // @ts-expect-error model takes trained-model, not embeddings
    step('w3', steps.evaluate, { model: embeddings, version })
    // @ts-expect-error model takes a blob, not a number
    step('w4', shrink, { model: shrunk.error, bits: 4 })
    // @ts-expect-error sizes takes a table of an object, not a list of an object
    step('w5', total, { sizes: counted.parts })
    // @ts-expect-error sizes takes a table of an object, not dataset-version
    step('w6', total, { sizes: version })

    // Values

    // @ts-expect-error dataset takes a text, not 7
    step('w7', steps.snapshotDataset, { dataset: 7 })
    // @ts-expect-error text takes a text, not a number
    step('w8', count, { text: counted.words })
    // @ts-expect-error mode takes 'words', not 'pages'
    step('w9', count, { text: 'a', mode: 'pages' })
    // @ts-expect-error names[1] takes a text, not a number
    step('w10', count, { text: 'a', names: ['a', counted.words] })
    // @ts-expect-error names takes a list of a text, not 'a'
    step('w11', count, { text: 'a', names: 'a' })
    // @ts-expect-error limits.most takes a number, not 'many'
    step('w12', count, { text: 'a', limits: { least: 1, most: 'many' } })
    // @ts-expect-error text takes a text, not null
    step('w13', count, { text: null })
    // @ts-expect-error the input takes an object, not a number
    step('w14', count, counted.words)
    // @ts-expect-error bits takes a number, not '8'
    step('w15', shrink, { model: shrunk.files['model.onnx'], bits: '8' })

    // Names

    // @ts-expect-error Property 'version' is missing
    step('w16', steps.embedImages, { seed: 3 })
    // @ts-expect-error there is no input datset
    step('w17', steps.snapshotDataset, { dataset: 'd', datset: 'x' })
    // @ts-expect-error there is no input limits.mean
    step('w18', count, { text: 'a', limits: { least: 1, most: 2, mean: 1 } })
    // @ts-expect-error Property 'imagez' does not exist on type 'Ref<{ kind: "dataset-version"
    void version.imagez
    // @ts-expect-error Property 'model.txt' does not exist
    void shrunk.files['model.txt']
    // @ts-expect-error Property 'lot' does not exist on type 'Ref<{ batch: string; }>'
    void signed.form.lot

    // Conditions and options

    // @ts-expect-error Type 'RefOf<number>' is not assignable to type 'When | undefined'
    step('w19', count, { text: 'a' }, { when: counted.words })
    // @ts-expect-error Argument of type 'RefOf<number>' is not assignable to parameter of type 'When'
    step('w20', count, { text: 'a' }, { when: not(counted.words) })
    // @ts-expect-error Argument of type 'RefOf<string>' is not assignable to parameter of type 'RefOf<number>'
    step('w21', count, { text: 'a' }, { when: all(signed.approved, atLeast(version.dataset, 1)) })
    // @ts-expect-error Type '"txt"' is not assignable to type '"text" | "mode" | "limits" | "names"'
    step('w22', count, { text: 'a' }, { cache: { ignore: ['txt'] } })
    // @ts-expect-error 'concurrency' does not exist in type 'StepOptions
    step('w23', count, { text: 'a' }, { concurrency: 4 })

    // Maps

    // @ts-expect-error over takes a list, or a reference to a list or a table, not dataset-version
    step.map('w24', count, { over: version, input: () => ({ text: 'a' }) })
    // @ts-expect-error text takes a text, not a number
    step.map('w25', count, { over: counted.parts, input: ({ at }) => ({ text: at }) })
    // @ts-expect-error there is no input txt
    step.map('w26', count, { over: ['a'], input: (text) => ({ text, txt: text }) })
    // @ts-expect-error Property 'name' does not exist on type 'Ref<{ at: number; text: string; }>'
    step.map('w27', count, { over: counted.parts, input: (part) => ({ text: part.name }) })
    // @ts-expect-error sizes takes a table of an object with path, not a table of an object
    step('w28', total, { sizes: mapped })

    // Pipelines within pipelines

    // @ts-expect-error version takes dataset-version, not embeddings
    step.pipeline('w29', inner, { params: { rounds: 1 }, inputs: { version: embeddings } })
    // @ts-expect-error Type 'string' is not assignable to type 'number'
    step.pipeline('w30', inner, { params: { rounds: '1' }, inputs: { version } })
    // @ts-expect-error Property 'inputs' is missing
    step.pipeline('w31', inner, { params: { rounds: 1 } })
    // @ts-expect-error there is no input verzion
    step.pipeline('w32', inner, { params: { rounds: 1 }, inputs: { version, verzion: version } })
    // @ts-expect-error Property 'model' does not exist on type '{ embeddings: Ref<{ kind: "embeddings"
    void within.model
    // @ts-expect-error version takes dataset-version, not embeddings
    step('w33', steps.embedImages, { version: within.embeddings })
  },
})

defineStep({
  name: 'short',
  input: z.object({}),
  output: z.object({ words: z.int() }),
  // @ts-expect-error Type '{}' is not assignable to type '{ words: number; }
  run: () => ({}),
})
// @ts-expect-error Property 'image' is missing
defineContainerStep({ name: 'nowhere', input: z.object({}), output: z.object({}), command: ['x'] })
defineContainerStep({
  name: 'counted',
  input: z.object({}),
  output: z.object({}),
  image: 'x',
  command: ['x'],
  // @ts-expect-error Type 'string' is not assignable to type 'number'
  resources: { gpus: '1' },
})
