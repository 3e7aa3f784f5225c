/** Runs a job in an owner of its own, a process that tests can kill with −9. */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { createInterface } from 'node:readline'
import type { JobSpec } from '#core/compute'

export interface JobOwner {
  /** The first line that the job printed. */
  readonly firstLine: string
  kill(): Promise<void>
}

export async function startJobOwner(directory: string, spec: JobSpec): Promise<JobOwner> {
  const script = path.resolve('test/fixtures/job-owner.ts')
  const owner = spawn(process.execPath, ['--import', 'tsx', script, directory, JSON.stringify(spec)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [firstLine] = (await once(createInterface({ input: owner.stdout }), 'line')) as [string]
  return {
    firstLine,
    async kill() {
      const gone = once(owner, 'exit')
      owner.kill('SIGKILL')
      await gone
    },
  }
}
