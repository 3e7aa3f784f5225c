/** What is kept, for how long, and how it goes: policies, holds, garbage collection, deletion of single images. */

export { collectGarbage, type Amount, type Collection, type CollectOptions } from './collect.ts'
export { deleteImage, type DeleteImageOptions, type ImageDeletion } from './delete-image.ts'
export { MARKS_APART_MS, UNDELETE_MS } from './judge.ts'
export {
  KEEP_ALL,
  listHolds,
  placeHold,
  readPolicy,
  releaseHold,
  setPolicy,
  type Hold,
  type PolicyEntry,
  type RetentionPolicy,
} from './policy.ts'
export { trashedVersions, undelete } from './trash.ts'
export { askForDeletion, runCollection, runDeletion, runVerification } from './steps.ts'
export { verifyVersion, type Verification, type VerifyOptions } from './verify.ts'
