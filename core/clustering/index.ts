/** Groups of look-alike images. */

export { seededRandom, type Random } from './random.ts'
export { kMeans, nearest, type Clustering, type KMeansOptions } from './k-means.ts'
