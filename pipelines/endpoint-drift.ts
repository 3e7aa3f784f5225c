/** Looks whether what an endpoint is asked about still looks like what its model learnt from, and reports it where not. */
import { z } from 'zod'
import { definePipeline } from 'gyre/pipeline'
import * as steps from 'gyre/steps'

export default definePipeline({
  name: 'endpoint-drift',
  description: 'Whether an endpoint is asked about other images than its model learnt from',
  params: z.object({
    endpoint: z.string().describe('Name of the endpoint, which must capture images'),
    leastImages: z.int().min(20).max(5_000).default(100).describe('Captured images that a report needs'),
  }),
  build({ params, step }) {
    step('look', steps.checkDrift, params)
  },
})
