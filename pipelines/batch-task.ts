/** A self-service image task: a model or an algorithm over a folder or a dataset, with results as CSV, JSON and a gallery. */
import { z } from 'zod'
import { definePipeline } from 'gyre/pipeline'
import * as steps from 'gyre/steps'

export default definePipeline({
  name: 'batch-task',
  description: 'A model or an algorithm over a folder or a dataset, with results as CSV, JSON and a gallery',
  params: z.object({
    model: z.string().optional().describe('name, name@3 or name@champion; give this or an algorithm'),
    algorithm: steps.artifacts.algorithm.optional().describe('Bundle of an algorithm file and its parameters'),
    source: z.string().optional().describe('Folder with images; give this or a dataset'),
    dataset: z.string().optional().describe('Dataset, as name or name@ref'),
  }),
  build({ params, step }) {
    step('classify', steps.runBatchTask, params)
  },
})
