/** Runs the bodies of steps: the context they get, the registry of built-in bodies, and the worker threads that host them. */

export type { Progress, StepContext } from './context.ts'
export { entryPoint, installationRoot, type EntryPoint } from './entry-point.ts'
