/** Groups of look-alike images. */

export {
  clusterEmbeddings,
  defaultClusters,
  inLookSpace,
  loadClusters,
  lookSpaceOf,
  type LookSpace,
} from './cluster-embeddings.ts'
export { kMeans, type Clustering, type KMeansOptions, type RowSource } from './k-means.ts'
export { nearest, openNearest, type Nearest } from './nearest.ts'
export { seededRandom, type Random } from './random.ts'
