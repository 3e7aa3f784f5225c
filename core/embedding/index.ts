/** From images to vectors: the embedder that Gyre fits, and those that users bring. */

export { fitEmbedder, imagesTensor, type FitOptions } from './fit-embedder.ts'
export { loadUserEmbedder, type Embedder } from './user-embedder.ts'
