/** The end of an endpoint: its traffic, its revisions, everything that runs for it. */
import { z } from 'zod'
import { definePipeline } from 'gyre/pipeline'
import * as steps from 'gyre/steps'

export default definePipeline({
  name: 'remove-endpoint',
  description: 'Ends an endpoint and everything that runs for it',
  params: z.object({ name: z.string().describe('Name of the endpoint') }),
  build({ params, step }) {
    step('remove', steps.removeEndpoint, params)
  },
})
