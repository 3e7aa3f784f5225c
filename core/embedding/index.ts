/** From images to vectors: the embedders that Gyre fits, those that users bring, and several beside each other. */

export { chooseEmbedder, FITTED, type EmbedderChoice, type FittedName } from './choice.ts'
export { embedImages, loadEmbeddings } from './embed-images.ts'
export { fitEmbedder, imagesTensor, type Embed, type FitOptions } from './fit-embedder.ts'
export { inputSizeFor } from './input-size.ts'
export { effectiveRank } from './quality.ts'
export { checkEmbedder, loadTrainedEmbedder, loadUserEmbedder, type Embedder } from './user-embedder.ts'
