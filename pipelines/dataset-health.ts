/** Checks a dataset: looks of images, classes, metadata, labels held against embeddings, what changed since another version. */
import { z } from 'zod'
import { definePipeline } from 'gyre/pipeline'
import * as steps from 'gyre/steps'

export default definePipeline({
  name: 'dataset-health',
  description: 'What is wrong with a dataset, as a report',
  params: z.object({
    dataset: z.string().describe('Name of the dataset'),
    ref: z.string().default('latest').describe('A ref, or the first digits of a version'),
    against: z.string().optional().describe('A ref or version of the same dataset to compare with'),
    labels: z.boolean().default(true).describe('Whether labels are held against embeddings, which takes longest'),
    embedder: z.string().default('fitted').describe('"fitted", or an ONNX file of yours'),
    seed: z.int().default(7).describe('Makes runs repeatable'),
  }),
  build({ params: { dataset, ref, against: other, labels, embedder, seed }, step }) {
    const version = step('snapshot', steps.snapshotDataset, { dataset, ref })
    const against = other === undefined ? undefined : step('against', steps.snapshotDataset, { dataset, ref: other })
    const embeddings = labels ? step('embed', steps.embedImages, { version, model: embedder, seed }) : undefined
    step('check', steps.checkHealth, { version, embeddings, against })
  },
})
