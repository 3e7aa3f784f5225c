/** Takes annotations of Label Studio or CVAT into a dataset, as one new version. */
import { z } from 'zod'
import { definePipeline } from 'gyre/pipeline'
import * as steps from 'gyre/steps'

export default definePipeline({
  name: 'import-annotations',
  description: 'Annotations of Label Studio or CVAT into a dataset',
  params: z.object({
    dataset: z.string().describe('Name of the dataset'),
    ref: z.string().default('latest').describe('A version or a named reference'),
    file: z.string().describe('JSON of Label Studio or XML of CVAT'),
    format: steps.importAnnotations.input.shape.format,
    control: steps.importAnnotations.input.shape.control,
  }),
  build({ params: { dataset, ref, ...options }, step }) {
    const version = step('snapshot', steps.snapshotDataset, { dataset, ref })
    step('import', steps.importAnnotations, { version, ...options })
  },
})
