/** Algorithms: what a user's file says of an image, and how it is called. Users import it as `gyre/algorithm`. */

export {
  defineAlgorithm,
  isAlgorithm,
  type AlgorithmDefinition,
  type AlgorithmModel,
  type ImageTensor,
  type Scores,
} from './define.ts'
export { algorithmParams, openAlgorithm, outputFields, runnerOf, scoresOf, type RunAlgorithm } from './run.ts'
