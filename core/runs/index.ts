/** Runs as people see them and as the store keeps them; the cache of results; the face of the engine. */

export type * from './types.ts'
export {
  briefly,
  compareRuns,
  type ComparedRun,
  type ComparedStep,
  type Pair,
  type RunComparison,
  type RunHead,
  type StepComparison,
} from './compare.ts'
export {
  createRun,
  forgetGeneration,
  forgetNode,
  lastGeneration,
  listRunIds,
  nodeRecords,
  openGeneration,
  readNode,
  readOpening,
  readOutcome,
  readRun,
  recordNode,
  recordOutcome,
  runsBasedOn,
  runsOf,
  runToCompareWith,
  type NodeOutcome,
  type NodeRecord,
  type OutcomeRecord,
  type RunBase,
  type RunCause,
  type RunRecord,
} from './records.ts'
export { readStepLog, StepLog, type LogLine, type LogPage, type StepLogOptions } from './step-log.ts'
