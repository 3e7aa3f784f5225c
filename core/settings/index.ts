/** Settings of processes: read from the environment once, at start, and refused in one sentence. */

import type { z } from 'zod'
import { issueText, PlatformError } from '#core/errors'

/** @throws {PlatformError} `INVALID_INPUT` naming the first variable that is missing or wrong. */
export function readSettings<S extends z.ZodType>(schema: S, env: Readonly<Record<string, string | undefined>>) {
  const { data, error } = schema.safeParse(env)
  if (error) throw new PlatformError('INVALID_INPUT', `setting ${issueText(error)}`)
  return data as z.output<S>
}
