/** Every workflow there is. Activities are reached through types alone. */

export { annotate } from './annotate.ts'
export { runPipeline } from './run-pipeline.ts'
