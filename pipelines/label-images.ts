/** Gets the images of a dataset labelled: one class each, classes that have an order, or several classes an image. */
import { z } from 'zod'
import { definePipeline } from 'gyre/pipeline'
import * as steps from 'gyre/steps'

const { task, overlap, controls, instructions } = steps.annotate.input.shape

export default definePipeline({
  name: 'label-images',
  description: 'Labels for a dataset, with a certificate',
  params: z.object({
    dataset: z.string().describe('Name of the dataset'),
    source: z.string().optional().describe('Folder, archive or s3:// prefix with more images for it'),
    annotations: z.string().optional().describe('Of Label Studio or CVAT: labels, and predictions to begin with'),
    classes: z.array(z.string()).min(1).describe('What people choose from; of an order, the lowest first'),
    task,
    targetAccuracy: z.number().min(0.5).max(0.999).default(0.98).describe('Share of right labels to certify'),
    ...{ overlap, controls, instructions },
    annotator: z.enum(['web', 'simulated']).default('web').describe('Who answers: people in the browser, or an oracle'),
    oracle: z.string().optional().describe('For the simulated annotator: JSON {image digest: class, or a list}'),
    seed: z.int().default(7).describe('Makes runs repeatable'),
  }),
  build({ params: { dataset, source, annotations, seed, ...asked }, step }) {
    const images =
      source === undefined
        ? step('snapshot', steps.snapshotDataset, { dataset })
        : step('import', steps.importImages, { dataset, source, seed })
    const version =
      annotations === undefined
        ? images
        : step('annotations', steps.importAnnotations, { version: images, file: annotations })
    const embeddings = step('embed', steps.embedImages, { version, seed })
    const clusters = step('cluster', steps.clusterEmbeddings, { embeddings, seed })
    step('annotate', steps.annotate, { version, embeddings, clusters, seed, ...asked })
  },
})
