/** Runs the bodies of steps: the context they get, the registry of built-in bodies, the threads and jobs that host them. */

export { codeFiles, codeVersion } from './code-versions.ts'
export type { Progress, StepContext } from './context.ts'
export { entryPoint, installationRoot, type EntryPoint } from './entry-point.ts'
export { runAsJob, type BodyResult, type JobHost, type JobRequest } from './run-as-job.ts'
export { runContainer, type ContainerHost } from './run-container.ts'
export { runTraining, type TrainerProgram, type TrainingHost } from './run-training.ts'
export { runBody, type BodyHooks, type BodyRequest } from './run-body.ts'
export { HandOver, jobNameOf, seeThrough, type JobResult, type JobWatch } from './see-through.ts'
export { runInThread } from './thread-host.ts'
export { ThreadPool, type ThreadPoolOptions } from './thread-pool.ts'
