/** Groups of look-alike images. */

export { clusterEmbeddings, defaultClusters, loadClusters, lookSpace } from './cluster-embeddings.ts'
export { kMeans, nearest, type Clustering, type KMeansOptions } from './k-means.ts'
export { seededRandom, type Random } from './random.ts'
