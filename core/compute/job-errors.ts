/** The refusals that all job runners share, worded once. */

import { PlatformError } from '#core/errors'
import type { JobSpec } from './jobs.ts'

export function checkJobName(name: string): void {
  if (/^[a-z0-9]([a-z0-9-]{0,48}[a-z0-9])?$/.test(name)) return
  throw new PlatformError(
    'INVALID_NAME',
    `job name ${JSON.stringify(name)} is not 1–50 lower-case letters, digits and inner hyphens`,
    { name },
  )
}

/** Names of inputs and outputs are plain file names, so that none of them leaves its folder. */
export function checkFileNames({ name, inputs = {}, outputs = [], checkpoint }: JobSpec): void {
  for (const file of [...Object.keys(inputs), ...outputs, ...(checkpoint === undefined ? [] : [checkpoint])])
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(file))
      throw new PlatformError(
        'INVALID_INPUT',
        `file name ${JSON.stringify(file)} of job ${name} is not 1–100 letters, digits, dots, hyphens and underscores`,
        { name, file },
      )
}

export function jobConflict(name: string): PlatformError {
  return new PlatformError(
    'JOB_CONFLICT',
    `job ${name} exists with another specification; use another name, or remove it`,
    { name },
  )
}

export function jobNotFound(name: string): PlatformError {
  return new PlatformError('JOB_NOT_FOUND', `no job is named ${name}; start it first`, { name })
}
