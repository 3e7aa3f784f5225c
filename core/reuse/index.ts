/** Which results stand in for computing again: what is looked up, what is taken over, and why a node runs or not. */

export { cacheKey, forget, lookUp, remember, type CacheEntry } from './cache.ts'
export { computeOnce, type Claim, type ClaimHooks, type Computed, type OncePorts } from './compute-once.ts'
export { keepCode, readCode, type CodeRecord } from './code.ts'
export { forecastPlan } from './forecast.ts'
export type { Lineage } from './lineage.ts'
export { planChanges } from './plan-changes.ts'
export { dropDamagedBlob } from './repair.ts'
export { resolveNode, type Decision, type Resolution, type ResolveOptions, type ResolvePorts } from './resolve.ts'
