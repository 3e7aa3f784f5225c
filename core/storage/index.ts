/** Where bytes live: the object-store port and what is built on its one primitive, create-if-absent. */

export type { ObjectInfo, ObjectKey, ObjectStore } from './object-store.ts'
