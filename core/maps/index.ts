/** One step over many items: what is known is taken, the rest is done in chunks, and all of it becomes one table. */

export { runChunk, type Chunk, type ChunkSummary, type ItemResult, type ItemRunner } from './chunk.ts'
export { closeMap, type MapTable } from './close.ts'
export { openMap, type OpenedMap } from './open.ts'
export type { MapItem, MapWork } from './layout.ts'
