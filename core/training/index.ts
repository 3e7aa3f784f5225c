/** Trainers: the contract that any of them follows, and the built-in one that fits a head on a frozen embedder. */

export { argMax, calibrate } from './calibration.ts'
export { goldenSet } from './golden.ts'
export {
  inputManifest,
  modelDescription,
  type HeadMetrics,
  type InputManifest,
  type ModelDescription,
  type TrainerProgress,
} from './manifest.ts'
export { runTrainer, trainHeadJob, type TrainerRun } from './run-trainer.ts'
export { modelDigest, trainClassifier, trainWith, type Trainer } from './train-classifier.ts'
export { trainHead, type HeadProblem } from './train-head.ts'
