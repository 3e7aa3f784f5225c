/** Self-service tasks: somebody picks a model, points at images, and gets a table, a list and a page of results. */

export { dropIn, openDrop, removeOldDrops, type ImageDrop } from './drops.ts'
export { runBatchTask } from './run-batch-task.ts'
export {
  batchRecord,
  batchResults,
  listBatches,
  type BatchFailure,
  type BatchFormat,
  type BatchRecord,
  type BatchRow,
} from './records.ts'
