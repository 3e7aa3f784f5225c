/** Image sets as immutable, content-addressed versions: look-up, labels, and the pixels that models see. */

export { everyTenth, forEachInFlight } from './in-flight.ts'
export { commitLabels, type CommitOptions } from './labels.ts'
export { readImage, readImages, writePacks, type PackPlace, type StoredImage } from './packs.ts'
export { pixelMatrix, readPixelRows, type PixelMatrix } from './pixel-matrix.ts'
export {
  datasetHistory,
  listDatasets,
  openVersion,
  resolveVersion,
  type DatasetMove,
  type DatasetReader,
  type DatasetSummary,
} from './reader.ts'
export { withScratch } from './scratch.ts'
export { snapshotDataset } from './snapshot.ts'
export type { ImageFacts, ImageLabel, Split } from './types.ts'
export {
  imageSetOf,
  loadVersion,
  publish,
  readLatest,
  toDatasetVersion,
  writeVersion,
  type Content,
  type DatasetRules,
  type LoadedVersion,
  type Manifest,
  type SplitRule,
  type StoredFacts,
} from './version.ts'
