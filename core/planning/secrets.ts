/** Parameters are kept in plans, in plain text and for ever: what looks like a secret is refused, with the way to pass it. */

import { PlatformError } from '#core/errors'

const WORDS = /(^| )(password|passwd|passphrase|secret|token|credentials?|(api|access|private|secret|auth) key)$/

/** What nobody would write by chance: keys of well-known makers, private keys, and passwords within addresses. */
const VALUES: readonly RegExp[] = [
  /\b(AKIA|ASIA)[0-9A-Z]{16}\b/,
  /\b(gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\w{22,})/,
  /\bglpat-[\w-]{20,}/,
  /\bxox[abeprs]-[\w-]{10,}/,
  /\bsk-(proj-|ant-)[\w-]{20,}/,
  /\bAIza[\w-]{35}\b/,
  /\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}/,
  /-----BEGIN [A-Z ]*PRIVATE KEY-----/,
  /\b[a-z][a-z0-9+.-]*:\/\/[^\s/:@]+:[^\s/:@]+@/i,
]

/**
 * @param prefix - path of `params` inside the plan.
 * @throws {PlatformError} `PIPELINE_PARAMS_INVALID`; the message never repeats the value.
 */
export function refuseSecrets(pipeline: string, params: unknown, prefix: readonly string[]): void {
  const path = secretIn(params, prefix)
  if (!path) return
  const variable = wordsOf(path.findLast((key) => /^[a-z]/i.test(key)) ?? 'secret')
    .toUpperCase()
    .replaceAll(/[^A-Z0-9]+/g, '_')
  throw new PlatformError(
    'PIPELINE_PARAMS_INVALID',
    `pipeline ${pipeline}, parameter ${path.join('.')}: looks like a secret, which the plan would keep in plain text; ` +
      `set it in the environment of the workers and read it in the step, as process.env.${variable}`,
    { pipeline, issues: [{ path: path.join('.'), message: 'looks like a secret' }] },
  )
}

function secretIn(value: unknown, path: readonly string[]): readonly string[] | null {
  if (typeof value === 'string') return isSecret(path.at(-1) ?? '', value) ? path : null
  if (typeof value !== 'object' || value === null) return null
  for (const [key, field] of Object.entries(value)) {
    const found = secretIn(field, [...path, key])
    if (found) return found
  }
  return null
}

function isSecret(name: string, value: string): boolean {
  if (VALUES.some((pattern) => pattern.test(value))) return true
  // An address of a secret, a path or a name of a variable is none.
  const isPlace = /^(\.{0,2}\/|[A-Z][A-Z0-9_]*$|[a-z][a-z0-9+.-]*:\/\/)/.test(value)
  return value !== '' && !isPlace && WORDS.test(wordsOf(name))
}

/** `apiKey`, `api-key` and `API_KEY` are `api key`. */
function wordsOf(name: string): string {
  return name
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1 $2')
    .replaceAll(/[^A-Za-z0-9]+/g, ' ')
    .toLowerCase()
}
