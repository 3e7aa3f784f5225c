/** Which images look alike: the most similar ones to an image, and a map of all. docs/streaming.md. */

export { indexNeighbours } from './index-neighbours.ts'
export { openSimilar, type SimilarImage, type SimilarImages } from './similar.ts'
