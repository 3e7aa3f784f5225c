/** Labels with an embedder that learnt from the images themselves: import, learn without labels, embed, cluster, label, train, evaluate, register. */
import { z } from 'zod'
import { definePipeline } from 'gyre/pipeline'
import * as steps from 'gyre/steps'

export default definePipeline({
  name: 'self-supervised-labelling',
  description: 'Trains an embedder on the unlabelled images, then labels and classifies with it',
  params: z.object({
    dataset: z.string().describe('Name of the dataset, made where there is none'),
    source: z
      .string()
      .optional()
      .describe('Folder, archive or s3:// prefix to import; without it the dataset is taken as it is'),
    classes: z.array(z.string()).min(2, 'needs at least two classes').describe('What to tell apart'),
    network: z.enum(['small', 'large']).default('small').describe('"small" for a CPU, "large" for a GPU'),
    epochs: z.int().min(1).max(2_000).default(20).describe('Passes over the training images; 200 on a GPU'),
    gpus: z.int().min(0).max(1).default(0).describe('1 asks for a GPU; one that is there is used in any case'),
    mirror: z.boolean().default(true).describe('A mirrored image shows the same; false for characters'),
    colour: z
      .number()
      .min(0)
      .max(1)
      .default(1)
      .describe('How far colours may vary; 0 where colour tells classes apart'),
    beside: z.string().optional().describe('A fitted embedder to stand beside it, such as "whitened-patches"'),
    annotator: z.enum(['web', 'simulated']).default('web').describe('Who answers: people in the browser, or an oracle'),
    oracle: z.string().optional().describe('For the simulated annotator: JSON {image digest: class}'),
    targetAccuracy: z.number().min(0.5).max(0.999).default(0.98).describe('Share of right labels to certify'),
    seed: z.int().default(7).describe('Makes runs repeatable'),
  }),
  build({ params, step }) {
    const { dataset, source, network, epochs, gpus, mirror, colour, seed } = params
    const version = source
      ? step('import', steps.importImages, { dataset, source, seed })
      : step('snapshot', steps.snapshotDataset, { dataset })
    const embedder = step(
      'learn',
      steps.trainEmbedder,
      { version, network, epochs, mirror, colour, seed },
      gpus > 0 ? { gpus } : {},
    )
    const embeddings = step('embed', steps.embedImages, { version, embedder, model: params.beside, seed })
    const clusters = step('cluster', steps.clusterEmbeddings, { embeddings, seed })
    const labelled = step('annotate', steps.annotate, {
      version,
      embeddings,
      clusters,
      classes: params.classes,
      annotator: params.annotator,
      oracle: params.oracle,
      targetAccuracy: params.targetAccuracy,
      seed,
    })
    const model = step('train', steps.trainClassifier, { version: labelled.version, embeddings, seed })
    const report = step('evaluate', steps.evaluate, {
      model,
      version: labelled.version,
      champion: `${dataset}@champion`,
    })
    step('register', steps.registerModel, { name: dataset, model, report })
  },
})
