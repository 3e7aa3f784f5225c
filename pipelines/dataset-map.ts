/** Makes similar images of a dataset findable, and draws the map that its page shows. */
import { z } from 'zod'
import { definePipeline } from 'gyre/pipeline'
import * as steps from 'gyre/steps'

export default definePipeline({
  name: 'dataset-map',
  description: 'Similar images and the map of a dataset',
  params: z.object({
    dataset: z.string().describe('Name of the dataset'),
    ref: z.string().default('latest').describe('A ref, or first digits of a version'),
    embedder: z.string().default('fitted').describe('"fitted", or the path of an ONNX file'),
    dims: z.number().int().min(32).max(2048).default(256).describe('Length of a fitted embedding'),
  }),
  build({ params: { dataset, ref, embedder, dims }, step }) {
    const version = step('snapshot', steps.snapshotDataset, { dataset, ref })
    const embeddings = step('embed', steps.embedImages, { version, model: embedder, dims })
    step('index', steps.indexNeighbours, { embeddings })
  },
})
