/** Removes what nothing in the store names any more; may be started by a schedule, once a week. */
import { z } from 'zod'
import { definePipeline } from 'gyre/pipeline'
import * as steps from 'gyre/steps'

export default definePipeline({
  name: 'collect-garbage',
  description: 'Removes what nothing names any more',
  params: z.object({ dryRun: z.boolean().default(false).describe('Only look and tell') }),
  build({ params, step }) {
    step('collect', steps.collectGarbage, params)
  },
})
