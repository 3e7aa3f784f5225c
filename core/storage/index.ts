/** Where bytes live: the object-store port and what is built on its one primitive, create-if-absent. */

export { blobFile, blobKey, digestFile, keepBlob, putBlob, putBlobFile, readBlob } from './blobs.ts'
export { blobRefsIn, blobsIn } from './blobs-in.ts'
export { refuseUnusableStore } from './check.ts'
export {
  COLLECTOR_LEASE,
  condemn,
  liftSentence,
  passVerdict,
  readSentence,
  readVerdict,
  SENTENCES,
  VERDICTS,
  type Sentence,
} from './condemned.ts'
export { canonicalJson, digestJson, sha256Hex } from './canonical-json.ts'
export { openFolderStore } from './folder.ts'
export { checkKey, checkName, compareKeys } from './keys.ts'
export { acquireLease, readLease, type Lease, type LeaseOptions, type LeaseState } from './leases.ts'
export { createMemoryStore } from './memory.ts'
export type { ListOptions, ObjectInfo, ObjectKey, ObjectStore, PresignRequest } from './object-store.ts'
export { openStore } from './open.ts'
export {
  movePointer,
  namesUnder,
  pointerHistory,
  readPointer,
  type MoveOptions,
  type PointerEntry,
} from './pointers.ts'
export { probeRaces, refuseUnsafeStore, type RaceReport } from './race-probe.ts'
export { asWriter, liveWriters, type Writer } from './writers.ts'
