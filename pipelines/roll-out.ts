/** A registered model, or an algorithm over it, behind an endpoint: all requests, or a canary's share. */
import { definePipeline } from 'gyre/pipeline'
import * as steps from 'gyre/steps'

export default definePipeline({
  name: 'roll-out',
  description: 'A registered model, or an algorithm over it, behind an endpoint',
  params: steps.deployEndpoint.input,
  build({ params, step }) {
    step('deploy', steps.deployEndpoint, params)
  },
})
