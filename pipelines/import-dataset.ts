/** Imports images into a dataset, as one new version. */
import { z } from 'zod'
import { definePipeline } from 'gyre/pipeline'
import * as steps from 'gyre/steps'

export default definePipeline({
  name: 'import-dataset',
  description: 'Images into a dataset, as one new version',
  params: z.object({
    dataset: z.string().describe('Name of the dataset, made where there is none'),
    source: z.string().describe('Folder, archive, s3:// prefix, or a file of annotations'),
    format: steps.importImages.input.shape.format,
    everySeconds: z.number().positive().default(1).describe('Of a video: seconds from one frame to the next'),
    reference: z.boolean().default(false).describe('Of a bucket: images stay where they are'),
    labels: z.enum(['none', 'folders']).default('none').describe('Whether sub-folder names become labels'),
  }),
  build({ params, step }) {
    step('import', steps.importImages, params)
  },
})
