/** Deletes one image everywhere, after an owner asked for it with `gyre dataset delete-image`. */
import { z } from 'zod'
import { definePipeline } from 'gyre/pipeline'
import * as steps from 'gyre/steps'

export default definePipeline({
  name: 'delete-image',
  description: 'Deletes one image everywhere',
  params: z.object({ image: z.string().describe('Digest of the image') }),
  build({ params, step }) {
    step('delete', steps.deleteImage, params)
  },
})
