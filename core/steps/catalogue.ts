/** The built-in steps: what goes in, what comes out, and how patiently each is run. The bodies live in their core modules. */

import { z } from 'zod'
import { defineBuiltIn } from './define.ts'
import * as a from './artifacts.ts'

export { approval, approve } from './approve.ts'

/** What `core/imports` reads, and `auto`. */
const importFormats = [
  'auto',
  'folder',
  'imagenet',
  'csv',
  'jsonl',
  'coco',
  'voc',
  'yolo',
  'huggingface',
  'webdataset',
  'parquet',
  'video',
] as const

/** Makes one immutable version of a dataset from a folder, an archive (.zip, .tar, .tar.gz) or an S3 prefix. */
export const importImages = defineBuiltIn({
  name: 'import-images',
  input: z.object({
    dataset: a.objectName,
    source: z.string().min(1).describe('Folder, archive, s3://bucket/prefix, or a file of annotations'),
    format: z
      .enum(importFormats)
      .default('folder')
      .describe('How the source is laid out; "auto" tells by what it holds'),
    everySeconds: z.number().positive().default(1).describe('Of a video: seconds from one frame to the next'),
    reference: z.boolean().default(false).describe('Of a bucket: images stay where they are'),
    labels: z.enum(['none', 'folders']).default('none').describe('Whether sub-folder names become labels'),
    heldOutShare: z.number().min(0.02).max(0.5).default(0.2).describe('Share of images kept for evaluation'),
    seed: z.int().default(7),
    lookAlikes: z
      .object({
        threshold: z.number().min(0.9).max(1).default(0.98).describe('Correlation at 32 × 32 pixels that counts'),
        groupImages: z.int().min(2).default(50).describe('No group is too large below so many images'),
        groupShare: z.number().min(0).max(1).default(0.005).describe('Of all images: the largest group'),
        groupedShare: z.number().min(0).max(1).default(0.1).describe('Of all images: those in any group'),
      })
      .prefault({}),
  }),
  output: a.datasetVersion.extend({
    duplicates: z.int(),
    nearDuplicates: z.int().describe('Images grouped with an almost equal one; a group never lies across splits'),
    rejected: z.int(),
    report: a.blobRef.describe('JSON {rejected: [{path, reason}], duplicates, groups, balance}'),
    page: a.blobRef.optional().describe('HTML: the same with pictures'),
  }),
  policy: { queue: 'cpu', timeout: '6h', cache: false },
})

/**
 * Takes annotations of another tool into a dataset: labels, tags and boxes that people gave; and predictions of models,
 * which are no labels but steer the first screens of the next session. Images are found by digest or by name.
 */
export const importAnnotations = defineBuiltIn({
  name: 'import-annotations',
  input: z.object({
    version: a.datasetVersion,
    file: z.string().min(1).describe('File of the worker: JSON of Label Studio or XML of CVAT; an absolute path'),
    format: z.enum(['auto', 'label-studio', 'cvat']).default('auto'),
    control: z
      .string()
      .optional()
      .describe('Of Label Studio: the name of the choices to read, where there are several'),
  }),
  output: a.datasetVersion.extend({
    matched: z.int().describe('Images of the file that the dataset has'),
    unmatched: z.int(),
    labelled: z.int().describe('Images with a word of people'),
    predicted: z.int().describe('Images with a word of a model'),
    boxes: z.int(),
    classes: z.array(z.string()),
    notes: z.array(z.string()).describe('What was not understood'),
  }),
  policy: { queue: 'cpu', timeout: '2h', cache: false },
  files: ['file'],
})

/** Writes a version as files that other tools read: images in folders, tables, COCO, YOLO, WebDataset, Parquet. */
export const exportDataset = defineBuiltIn({
  name: 'export-dataset',
  input: z.object({
    version: a.datasetVersion,
    target: z.string().min(1).describe('A new or empty folder of the worker, or a .tar file to make; an absolute path'),
    format: z.enum(['folder', 'csv', 'huggingface', 'coco', 'yolo', 'webdataset', 'parquet']).default('folder'),
  }),
  output: z.object({
    dataset: a.objectName,
    version: a.sha256,
    target: z.string(),
    format: z.string(),
    images: z.int(),
    sizeBytes: z.number().describe('Of the images; files of annotations come on top'),
    cannotExpress: z.array(z.string()).describe('What the version holds and the format has no place for'),
  }),
  policy: { queue: 'cpu', timeout: '12h', cache: false },
})

/** Pins what a dataset is now. */
export const snapshotDataset = defineBuiltIn({
  name: 'snapshot-dataset',
  input: z.object({ dataset: a.objectName, ref: z.string().default('latest') }),
  output: a.datasetVersion,
  policy: { queue: 'pipeline', timeout: '1m', cache: false },
})

/** Makes a version of the images that fit a condition, or a saved view: `split = 'train' and blur < 0.4`. */
export const selectImages = defineBuiltIn({
  name: 'select-images',
  input: z.object({
    version: a.datasetVersion,
    where: z.string().min(1).optional().describe('Condition, as in docs/queries.md; give this or a view'),
    view: a.objectName.optional().describe('Saved view of the dataset, as it is when the step runs'),
  }),
  output: a.datasetVersion.extend({ where: z.string().describe('The condition that held') }),
  // A view may have changed since.
  policy: { queue: 'cpu', timeout: '1h', cache: false },
})

/**
 * Looks for what is wrong with a version: dark, bright, blurry, empty, odd images, classes that are rare, metadata that
 * gives classes away; with `embeddings`, labels that are probably wrong; with `against`, what differs from that version.
 */
export const checkHealth = defineBuiltIn({
  name: 'check-health',
  input: z.object({
    version: a.datasetVersion,
    embeddings: a.embeddings.optional().describe('Of this version: for holding labels against them'),
    against: a.datasetVersion.optional().describe('A version to compare with'),
  }),
  output: a.healthReport,
  policy: { queue: 'cpu', timeout: '6h', cache: false },
})

/**
 * Trains an embedder on the images of the training split, without labels: VICReg on a residual network, in PyTorch. `small`
 * is for a CPU, `large` for a GPU (`{ gpus: 1 }` as an option of the step asks for one).
 */
export const trainEmbedder = defineBuiltIn({
  name: 'train-embedder',
  input: z.object({
    version: a.datasetVersion,
    trainer: z.enum(['vicreg']).default('vicreg'),
    network: z.enum(['small', 'large']).default('small'),
    epochs: z.int().min(1).max(2_000).default(20).describe('Passes over the training images'),
    batchImages: z.int().min(32).max(4_096).default(256).describe('Images that are learnt from at once'),
    mirror: z.boolean().default(true).describe('A mirrored image shows the same; false for characters'),
    colour: z
      .number()
      .min(0)
      .max(1)
      .default(1)
      .describe('How far colours may vary; 0 where colour tells classes apart'),
    compile: z.boolean().default(false).describe('Compiles the network for the GPU: slower at first, faster then'),
    seed: z.int().default(7),
  }),
  output: a.embedder,
  ignoresLabels: true,
  // Each interruption is an attempt, and the training goes on from its checkpoint.
  policy: { queue: 'cpu', timeout: '6d', attempts: 100 },
})

/**
 * Turns every image into a vector. `patches`, `whitened-patches`, `hog` and `colour` are fitted on the training split; a
 * path names an ONNX file of yours; `embedder` is one that a step trained. Several become one: docs/embedding.md.
 */
export const embedImages = defineBuiltIn({
  name: 'embed-images',
  input: z.object({
    version: a.datasetVersion,
    model: z
      .union([z.string().min(1), z.array(z.string().min(1)).min(1).max(8)])
      .optional()
      .describe(
        '"fitted" (the default where no embedder is given), "patches", "whitened-patches", "hog", "colour", several of them joined by "+", the path of an ONNX file, or a list of names and a path',
      ),
    embedder: a.embedder.optional().describe('One that a step trained; beside `model` where that is given'),
    dims: z.int().min(32).max(8192).default(1600).describe('Length of a fitted embedding'),
    whiten: z
      .int()
      .min(2)
      .max(512)
      .optional()
      .describe('Keeps so many principal components, whitened half way; 256 of several where left out'),
    seed: z.int().default(7),
  }),
  output: a.embeddings,
  ignoresLabels: true,
  files: ['model'],
  policy: { queue: 'cpu', timeout: '12h' },
})

/** Groups look-alikes, so that people judge a screen of them at once. k defaults to the number of images over 40. */
export const clusterEmbeddings = defineBuiltIn({
  name: 'cluster-embeddings',
  input: z.object({ embeddings: a.embeddings, k: z.int().min(2).max(4000).optional(), seed: z.int().default(7) }),
  output: a.clusters,
  policy: { queue: 'cpu', timeout: '2h' },
})

/** Makes similar images findable, and draws the map of a version: what its page shows. */
export const indexNeighbours = defineBuiltIn({
  name: 'index-neighbours',
  input: z.object({ embeddings: a.embeddings }),
  output: a.neighbours,
  policy: { queue: 'cpu', timeout: '6h' },
})

/**
 * Asks people (or a simulated annotator) for labels, predicts the rest, and certifies how many of all labels are right.
 * `task` says what an image may hold: one class; any number of them, each a question of its own, kept as tags; or one of
 * classes that have an order, the lowest first. Labels of `version` that no person saw (imported predictions, say) steer
 * the first screens.
 */
export const annotate = defineBuiltIn({
  name: 'annotate',
  kind: 'annotate',
  input: z.object({
    version: a.datasetVersion,
    embeddings: a.embeddings,
    clusters: a.clusters,
    classes: z.array(z.string().min(1).max(60)).min(1, 'needs at least one class').max(1_000),
    task: z.enum(['single', 'multi', 'ordinal']).optional().describe('One class an image where left out'),
    annotator: z.enum(['web', 'simulated']).default('web'),
    oracle: z
      .string()
      .optional()
      .describe('For the simulated annotator alone: JSON file {image digest: class}, or a list of classes each'),
    targetAccuracy: z.number().min(0.5).max(0.999).default(0.98),
    overlap: z.int().min(1).max(9).optional().describe('People that judge each image; one where left out'),
    controls: z
      .number()
      .min(0)
      .max(0.2)
      .optional()
      .describe('Share of images shown alone, to measure one-by-one labelling; 0.01 where people answer'),
    instructions: z.string().max(20_000).optional().describe('What annotators are told; Markdown'),
    seed: z.int().default(7),
  }),
  output: z.object({
    version: a.datasetVersion,
    session: z.string(),
    certificate: a.certificate.nullable(),
    stats: a.labellingStats,
    order: a.orderAgreement.nullable().optional().describe('Of classes that have an order'),
  }),
  // Weeks of work see many restarts of workers: each is an attempt, none is a failure.
  policy: { queue: 'cpu', timeout: '365d', attempts: 10_000 },
  files: ['oracle'],
})

/** Trains a classifier on the labelled training split. `head` fits a linear head on the frozen embedder, in seconds on a CPU. */
export const trainClassifier = defineBuiltIn({
  name: 'train-classifier',
  input: z.object({
    version: a.datasetVersion,
    embeddings: a.embeddings,
    trainer: z.enum(['head']).default('head'),
    requireCertificate: z
      .number()
      .min(0.5)
      .max(1)
      .optional()
      .describe('Share of right labels that a certificate which stands must promise of the version'),
    seed: z.int().default(7),
  }),
  output: a.trainedModel,
  // A certificate may have been revoked since.
  alwaysRunsWith: ['requireCertificate'],
  policy: { queue: 'cpu', timeout: '24h' },
})

/** Measures a model on human-seen labels of the held-out split, and nothing else. */
export const evaluate = defineBuiltIn({
  name: 'evaluate',
  input: z.object({
    model: a.trainedModel,
    version: a.datasetVersion,
    champion: z.string().optional().describe('Model and alias to beat, as name@champion'),
    minGain: z.number().min(-1).max(1).default(0).describe('Accuracy gain over the champion, 0–1'),
  }),
  output: a.evaluationReport,
  policy: { queue: 'cpu', timeout: '6h', cache: false },
})

/** Adds a model to the registry, after running it and checking its golden outputs. The same model gets the same number again. */
export const registerModel = defineBuiltIn({
  name: 'register-model',
  input: z.object({
    name: a.objectName,
    model: a.trainedModel,
    report: a.evaluationReport,
    alias: z.string().default('candidate'),
  }),
  output: a.modelVersion,
  policy: { queue: 'cpu', timeout: '1h', cache: false },
})

/** Rolls a model, or an algorithm over it, out behind an endpoint; traffic moves when its replicas are loaded and warmed. */
export const deployEndpoint = defineBuiltIn({
  name: 'deploy-endpoint',
  input: z.object({
    name: a.objectName,
    model: a.modelVersion,
    replicas: z.int().min(1).max(64).default(2),
    queueLimit: z.int().min(1).max(100_000).default(256),
    captureBytes: z.int().nonnegative().default(0).describe('Predicted images kept for labelling, in bytes; 0 is off'),
    captureDataset: a.objectName.optional(),
    algorithm: a.algorithm.optional(),
    canaryPercent: z
      .int()
      .min(1)
      .max(100)
      .optional()
      .describe('Share of the requests that it gets; all where left out'),
  }),
  output: a.endpoint,
  policy: { queue: 'pipeline', timeout: '30m', cache: false },
})

/** Ends an endpoint: its traffic, its revisions, everything that runs for it. */
export const removeEndpoint = defineBuiltIn({
  name: 'remove-endpoint',
  input: z.object({ name: a.objectName }),
  output: z.object({ name: a.objectName }),
  policy: { queue: 'pipeline', timeout: '30m', cache: false },
})

/** Sends the held-out images through the live endpoint and compares with the evaluation. Fails when an answer differs. */
export const proveEndpoint = defineBuiltIn({
  name: 'prove-endpoint',
  input: z.object({
    endpoint: a.endpoint,
    report: a.evaluationReport,
    version: a.datasetVersion,
    oracle: z.string().optional().describe('JSON file {image digest: class}, to measure true accuracy'),
    images: z.int().positive().max(100_000).default(2_000).describe('Held-out images sent at most'),
  }),
  output: z.object({ checked: z.int(), agree: z.number(), accuracy: z.number().nullable(), firstAnswerMs: z.number() }),
  policy: { queue: 'cpu', timeout: '2h', cache: false },
})

/** Takes what an endpoint captured into the dataset, as unlabelled images. */
export const collectCaptured = defineBuiltIn({
  name: 'collect-captured',
  input: z.object({ dataset: a.objectName, endpoint: a.objectName }),
  output: a.datasetVersion.extend({ added: z.int() }),
  policy: { queue: 'cpu', timeout: '2h', cache: false },
})

/**
 * Holds what an endpoint captured against the dataset version that its model learnt from, and reports what drifted:
 * `onDrift` triggers start then. Until there are `leastImages` since the last report it says nothing.
 */
export const checkDrift = defineBuiltIn({
  name: 'check-drift',
  input: z.object({
    endpoint: a.objectName,
    leastImages: z.int().min(20).max(5_000).default(100).describe('Captured images that a report needs'),
  }),
  output: z.object({
    endpoint: a.objectName,
    version: z.object({ dataset: a.objectName, version: a.sha256 }),
    images: z.int().describe('Captured images that were compared'),
    drifted: z.array(z.object({ of: z.string(), distance: z.number(), text: z.string() })),
    reported: z.string().nullable(),
    revoked: z.array(a.sha256).optional().describe('Certificates of the version, which stand no longer'),
  }),
  policy: { queue: 'cpu', timeout: '1h', cache: false },
})

/** Runs a registered model or an algorithm over a folder or a dataset, shard by shard. An image that fails costs its own row, nothing else. */
export const runBatchTask = defineBuiltIn({
  name: 'run-batch-task',
  input: z.object({
    model: z.string().min(1).optional().describe('name, name@3 or name@champion; give this or an algorithm'),
    algorithm: a.algorithm.optional(),
    source: z
      .string()
      .min(1)
      .optional()
      .describe('Folder with images, or upload:ID of dropped ones; give this or a dataset'),
    dataset: z.string().min(1).optional().describe('Dataset, as name or name@ref'),
    shardSize: z.int().min(1).max(10_000).default(256).describe('Images that a crash can cost at most'),
  }),
  output: a.batchResults,
  policy: { queue: 'cpu', timeout: '30d', cache: false },
})
