/** One step over many items: what is known is taken, the rest is done in chunks, and all of it becomes one table. */

export type { Item, ItemStep, MapInput } from './items.ts'
export {
  closeMap,
  openMap,
  runChunk,
  type ChunkReport,
  type CloseOptions,
  type MapRequest,
  type RunItems,
} from './map.ts'
export type { MapPlace, Opened } from './records.ts'
