/** Image sets as immutable, content-addressed versions: look-up, labels, and the pixels that models see. */

export {
  currentPack,
  deletedImages,
  readDeletion,
  readPack,
  recordDeletion,
  refuseDeleted,
  replacePack,
  type Deletion,
} from './deleted.ts'
export { everyTenth, forEachInFlight } from './in-flight.ts'
export { commitLabels } from './labels.ts'
export {
  PackWriter,
  readImage,
  readImages,
  writePacks,
  type ImagePlace,
  type PackPlace,
  type StoredImage,
} from './packs.ts'
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
export { parseLabelSchema, type LabelSchema } from './schema.ts'
export type { Box, ImageFacts, ImageLabel, Origin, Split, StoredFacts } from './types.ts'
export { type Change } from './change.ts'
export { commit, commitChange, type Committed, type CommitOptions } from './commit.ts'
export {
  imageSetOf,
  readManifest,
  toDatasetVersion,
  type DatasetRules,
  type Delta,
  type Manifest,
  type Shard,
  type SplitRule,
  type Table,
} from './manifest.ts'
export { DIFFERENCES, type DifferenceKind } from './compare.ts'
export {
  diffRows,
  diffVersions,
  openDiff,
  type Diff,
  type DiffRow,
  type DiffRowsOptions,
  type Relabelled,
  type SaidOfImage,
  type VersionDiff,
} from './diff.ts'
export { versionHistory, type Cause, type HistoryEntry } from './history.ts'
export {
  MERGE_POLICIES,
  mergeVersions,
  type Conflict,
  type Conflicts,
  type Decision,
  type MergeField,
  type MergeOptions,
  type MergePolicy,
  type MergeRequest,
} from './merge.ts'
export { listRefs, publish, readLatest, readRef, restoreVersion, tagVersion, type Ref, type RefValue } from './refs.ts'
export { boxColumns, factColumns, labelColumns, openTables, withTables, type TablesOptions } from './tables.ts'
