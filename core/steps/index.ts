/** The built-in steps and the artifacts that flow between them: what a pipeline file imports as `gyre/steps`. */

export * from './catalogue.ts'
export { collectGarbage, deleteImage, verifyDataset } from './retention.ts'
export * as artifacts from './artifacts.ts'
export type {
  Algorithm,
  BatchResults,
  BlobRef,
  Certificate,
  Clusters,
  DatasetVersion,
  Embedder,
  EmbeddingQuality,
  Embeddings,
  Endpoint,
  EvaluationReport,
  LabellingStats,
  ModelVersion,
  Neighbours,
  Table,
  TrainedModel,
} from './artifacts.ts'
export type { StepDefinition, StepInput, StepOutput, StepPolicy } from './define.ts'
