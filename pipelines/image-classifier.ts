/** From a folder of images to an answering endpoint: import, embed, cluster, label, train, evaluate, register, deploy, prove. */
import { z } from 'zod'
import { definePipeline } from 'gyre/pipeline'
import * as steps from 'gyre/steps'

export default definePipeline({
  name: 'image-classifier',
  description: 'From a folder of images to an answering endpoint',
  params: z.object({
    dataset: z.string().describe('Name of the dataset, made where there is none'),
    source: z
      .string()
      .optional()
      .describe('Folder, archive or s3:// prefix to import; without it the dataset is taken as it is'),
    classes: z.array(z.string()).min(2, 'needs at least two classes').describe('What to tell apart'),
    annotator: z.enum(['web', 'simulated']).default('web').describe('Who answers: people in the browser, or an oracle'),
    oracle: z
      .string()
      .optional()
      .describe('For the simulated annotator and the final check: JSON {image digest: class}'),
    targetAccuracy: z.number().min(0.5).max(0.999).default(0.98).describe('Share of right labels to certify'),
    embedder: z.string().default('fitted').describe('"fitted", or an ONNX file of yours'),
    replicas: z.int().min(1).max(64).default(2).describe('Replicas of the endpoint'),
    captureBytes: z
      .int()
      .nonnegative()
      .default(0)
      .describe('Predicted images kept for the next round, in bytes; 0 is off'),
    minGain: z
      .number()
      .min(-1)
      .max(1)
      .default(0)
      .describe('Accuracy gain over the champion that a model must show, 0–1'),
    askBeforeDeploy: z.boolean().default(false).describe('Whether a person must approve before the endpoint changes'),
    seed: z.int().default(7).describe('Makes runs repeatable'),
  }),
  build({ params, step }) {
    const { dataset, oracle, seed } = params
    const name = dataset
    // What the endpoint captured since the last run is part of what this one labels.
    const version = params.source
      ? step('import', steps.importImages, { dataset, source: params.source, seed })
      : step('collect', steps.collectCaptured, { dataset, endpoint: name })
    const embeddings = step('embed', steps.embedImages, { version, model: params.embedder, seed })
    const clusters = step('cluster', steps.clusterEmbeddings, { embeddings, seed })
    const labelled = step('annotate', steps.annotate, {
      version,
      embeddings,
      clusters,
      classes: params.classes,
      annotator: params.annotator,
      oracle,
      targetAccuracy: params.targetAccuracy,
      seed,
    })
    const model = step('train', steps.trainClassifier, { version: labelled.version, embeddings, seed })
    const report = step('evaluate', steps.evaluate, {
      model,
      version: labelled.version,
      champion: `${name}@champion`,
      minGain: params.minGain,
    })
    // Registering makes it the champion, so a person is asked before that.
    const approval = params.askBeforeDeploy
      ? step('approve', steps.approve, { subject: report, question: `Deploy ${name}?` }, { when: report.beatsChampion })
      : null
    const registered = step(
      'register',
      steps.registerModel,
      { name, model, report },
      approval ? { when: approval.approved } : {},
    )
    const endpoint = step(
      'deploy',
      steps.deployEndpoint,
      {
        name,
        model: registered,
        replicas: params.replicas,
        captureBytes: params.captureBytes,
        captureDataset: dataset,
      },
      { when: report.beatsChampion },
    )
    step('prove', steps.proveEndpoint, { endpoint, report, version: labelled.version, oracle })
  },
})
