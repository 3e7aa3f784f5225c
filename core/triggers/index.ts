/** What starts runs without a person: the triggers of definitions, their causes, their fires, and webhooks' secrets. */

export { lastDrift, reportDrift, type CausePorts, type EndedRun } from './causes.ts'
export { describeTrigger, spanMs, triggersOf, type NamedTrigger } from './definitions.ts'
export { lastFire, listFires, triggerNotFound, type Fire } from './fires.ts'
export { hookSecret, newHookSecret, type HookPlace } from './hooks.ts'
export {
  backfillLog,
  prepareFire,
  type Backfill,
  type FirePorts,
  type FireRequest,
  type PreparedFire,
} from './prepare.ts'
