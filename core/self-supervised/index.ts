/** Embedders that learn from images without labels: what their trainer is given, and what is taken from it. */

export { layOutTraining, type TrainingLayout } from './lay-out.ts'
export { CHECKPOINT, INPUT, OUTPUTS, type TrainerManifest } from './manifest.ts'
export { takeEmbedder, type TrainerFiles } from './take-embedder.ts'
