/** The ports to where computations run (jobs) and where endpoints run (services). Adapters: `local-process.ts`. */

export type { JobOutcome, JobRunner, JobSpec } from './jobs.ts'
export type { RevisionSpec, RevisionStatus, ServiceHost, Traffic } from './services.ts'
