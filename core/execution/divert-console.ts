/** What a step of a user's says by `console` belongs to the log of its run, as what it says by `ctx.log` does. */

import { formatWithOptions } from 'node:util'
import type { LogLevel, Spoken } from '#core/log'

const LEVELS = { debug: 'debug', log: 'info', info: 'info', warn: 'warn', error: 'error' } as const satisfies Record<
  string,
  LogLevel
>

/** Sends what `console` is told to `say` instead, until the function that it returns is called. */
export function divertConsole(say: (line: Spoken) => void): () => void {
  const before = { ...console }
  for (const [method, level] of Object.entries(LEVELS) as [keyof typeof LEVELS, LogLevel][])
    console[method] = (...values: unknown[]) => say({ level, text: formatWithOptions({ colors: false }, ...values) })
  return () => void Object.assign(console, before)
}
