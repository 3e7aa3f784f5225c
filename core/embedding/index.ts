/** From images to vectors: the embedder that Gyre fits, and those that users bring. */

export { embedImages, loadEmbeddings } from './embed-images.ts'
export { fitEmbedder, imagesTensor, type Embed, type FitOptions } from './fit-embedder.ts'
export { inputSizeFor } from './input-size.ts'
export { checkEmbedder, loadTrainedEmbedder, loadUserEmbedder, type Embedder } from './user-embedder.ts'
