/** Runs as people see them: reports, and the face of the engine that API and command line program against. */

export type * from './types.ts'
