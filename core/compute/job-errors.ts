/** The refusals that all job runners share, worded once. */

import { PlatformError } from '#core/errors'

export function checkJobName(name: string): void {
  if (/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(name)) return
  throw new PlatformError(
    'INVALID_NAME',
    `job name ${JSON.stringify(name)} is not 1–63 lower-case letters, digits and inner hyphens`,
    { name },
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
