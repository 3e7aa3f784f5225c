/**
 * The ports to where computations run (jobs) and where endpoints run (services), their adapters for one machine, and
 * their twins in memory for tests.
 */

export { createFakeJobRunner, type FakeJobRunner, type FakeProgram } from './fake-jobs.ts'
export { createFakeServiceHost, type FakeServiceHost } from './fake-services.ts'
export type { JobOutcome, JobOutputs, JobPlacement, JobResources, JobRunner, JobSpec, WaitOptions } from './jobs.ts'
export { createProcessJobRunner, type ProcessJobOptions } from './local-process.ts'
export { createProcessServiceHost } from './local-services.ts'
export {
  endProcesses,
  identifyProcess,
  isAlive,
  signalGroup,
  thisProcess,
  type ProcessIdentity,
} from './process-identity.ts'
export type { RevisionSpec, RevisionStatus, ServiceHost, Traffic } from './services.ts'
