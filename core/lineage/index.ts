/** How imports, versions of datasets, models and endpoints follow from each other. */

export {
  datasetLineage,
  usesOf,
  type DatasetLineage,
  type EndpointUse,
  type LineageEntry,
  type ModelUse,
} from './lineage.ts'
