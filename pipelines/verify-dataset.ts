/** Proves that a version of a dataset is whole: tables, packs, images, splits. */
import { z } from 'zod'
import { definePipeline } from 'gyre/pipeline'
import * as steps from 'gyre/steps'

export default definePipeline({
  name: 'verify-dataset',
  description: 'Proves that a dataset is whole',
  params: z.object({
    dataset: z.string().describe('Name of the dataset'),
    ref: z.string().default('latest').describe('A ref, or the first digits of a version'),
    everyImage: z.boolean().default(false).describe('Read every image, not only tables and packs'),
  }),
  build({ params: { dataset, ref, everyImage }, step }) {
    const version = step('snapshot', steps.snapshotDataset, { dataset, ref })
    step('verify', steps.verifyDataset, { version, everyImage })
  },
})
