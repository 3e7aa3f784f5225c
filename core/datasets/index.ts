/** Image sets as immutable, content-addressed versions: import, look-up, labels, and the pixels that models see. */

export { addImages, importImages, snapshotDataset, type AddImagesOptions, type NamedImage } from './import.ts'
export { commitLabels, type CommitOptions } from './labels.ts'
export type { StoredImage } from './packs.ts'
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
export type { ImportReport } from './report.ts'
export type { Balance } from './splits.ts'
export type { ImageFacts, ImageLabel, Split } from './types.ts'
export { imageSetOf } from './version.ts'
