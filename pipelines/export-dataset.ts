/** Writes a version of a dataset as files for other tools. */
import { z } from 'zod'
import { definePipeline } from 'gyre/pipeline'
import * as steps from 'gyre/steps'

export default definePipeline({
  name: 'export-dataset',
  description: 'A version of a dataset as files for other tools',
  params: z.object({
    dataset: z.string().describe('Name of the dataset'),
    ref: z.string().default('latest').describe('A version or a named reference'),
    target: z.string().describe('A new or empty folder, or a .tar file to make'),
    format: z.enum(['folder', 'csv', 'huggingface', 'coco', 'yolo', 'webdataset', 'parquet']).default('folder'),
  }),
  build({ params: { dataset, ref, target, format }, step }) {
    const version = step('snapshot', steps.snapshotDataset, { dataset, ref })
    step('export', steps.exportDataset, { version, target, format })
  },
})
