import { existsSync } from 'node:fs'
import path from 'node:path'
import { installationRoot } from '#core/execution'
import { stateFolderPath } from '../../infra/local/state-folder.ts'

/** The options that every verb takes. */
export interface CommonOptions {
  readonly state?: string
  readonly json?: boolean
  /** False with `--no-start`. */
  readonly start?: boolean
}

/** Of verbs that may start a stack: where it keeps its objects and sends its work. */
export interface PlacementOptions {
  readonly store?: string
  readonly compute?: 'process' | 'kubernetes'
  readonly services?: 'process' | 'kubernetes'
}

/** One call of the command line: what was asked, and where its answers go. */
export class Invocation {
  readonly json: boolean
  /** Absolute path of the state folder. */
  readonly state: string
  readonly mayStart: boolean
  /** The environment of this process, and what options said of the stack. */
  readonly env: NodeJS.ProcessEnv

  /** Whether somebody named the folder with the pipelines; else it is where the command was called, or ours. */
  readonly projectIsChosen: boolean

  constructor(options: CommonOptions & PlacementOptions) {
    this.projectIsChosen = Boolean(process.env['GYRE_PROJECT_DIR'])
    this.env = { ...process.env, ...placementEnvironment(options), ...(!this.projectIsChosen && projectHere()) }
    this.json = options.json ?? false
    this.state = stateFolderPath(options.state, this.env)
    this.mayStart = options.start ?? true
  }

  /** The answer: one JSON value with `--json`, else what a person reads. */
  answer(value: unknown, forPeople: () => string): void {
    const text = this.json ? JSON.stringify(value, null, 2) : forPeople()
    process.stdout.write(text.endsWith('\n') ? text : `${text}\n`)
  }

  /** A remark beside the answer: on standard error, so that it never mixes with the JSON. */
  readonly remark = (line: string): void => {
    process.stderr.write(`${line}\n`)
  }
}

/** Whoever stands in a folder with pipelines means these. */
function projectHere(): NodeJS.ProcessEnv {
  const here = process.cwd()
  return here !== installationRoot() && existsSync(path.join(here, 'pipelines')) ? { GYRE_PROJECT_DIR: here } : {}
}

function placementEnvironment({ store, compute, services }: PlacementOptions): NodeJS.ProcessEnv {
  return {
    ...(store && { GYRE_STORE: store }),
    ...(compute && { GYRE_COMPUTE: compute }),
    ...(services && { GYRE_SERVICES: services }),
  }
}
