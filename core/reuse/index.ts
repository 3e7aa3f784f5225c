/** Which results stand in for computing again: keys of results, what is looked up, and why a node runs or not. */

export { cacheKey, lookUp, remember, type CacheEntry } from './cache.ts'
export { resolveNode, type Resolution, type ResolvePorts } from './resolve.ts'
