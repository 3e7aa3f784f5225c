import { PlatformError } from '#core/errors'

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** '250ms', '30s', '10m', '2h', '14d' → milliseconds. */
export function durationMs(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text)
  if (!match)
    throw new PlatformError('PIPELINE_INVALID', `"${text}" is not a duration; write it as 30s, 10m, 2h or 14d`, {
      text,
    })
  return Number(match[1]) * UNITS[match[2]!]!
}
