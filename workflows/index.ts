/** Every workflow there is. Activities are reached through types alone. */

export { annotate } from './annotate.ts'
export { fire } from './fire.ts'
export { notify } from './notify.ts'
export { runMap } from './run-map.ts'
export { runPipeline } from './run-pipeline.ts'
