/** Where news goes, from settings of the environment. */

import { PlatformError } from '#core/errors'
import { NEWS_KINDS, type NewsKind } from './news.ts'

export interface NotifySettings {
  readonly on: readonly NewsKind[]
  readonly webhook: { readonly url: string; readonly secret: string | null } | null
  readonly mail: { readonly server: string; readonly from: string; readonly to: readonly string[] } | null
  /** Base address of the pages, for links; null where nobody knows. */
  readonly pageUrl: string | null
}

/**
 * Reads GYRE_NOTIFY_WEBHOOK and GYRE_NOTIFY_SECRET, GYRE_SMTP_URL and GYRE_NOTIFY_EMAIL (comma-separated; the first
 * address of GYRE_NOTIFY_FROM or of these is the sender), GYRE_NOTIFY_ON (kinds of news; all but `session-progress` where left out).
 *
 * @throws {PlatformError} `INVALID_INPUT` naming the variable; never with a secret in it.
 */
export function readNotifySettings(env: Readonly<Record<string, string | undefined>>): NotifySettings {
  const webhookUrl = address(env, 'GYRE_NOTIFY_WEBHOOK', ['http:', 'https:'])
  const server = address(env, 'GYRE_SMTP_URL', ['smtp:', 'smtps:'])
  const to = listOf(env.GYRE_NOTIFY_EMAIL)
  if ((server === null) !== (to.length === 0))
    throw new PlatformError(
      'INVALID_INPUT',
      `GYRE_SMTP_URL and GYRE_NOTIFY_EMAIL belong together; set ${server === null ? 'GYRE_SMTP_URL' : 'GYRE_NOTIFY_EMAIL'}, too`,
    )
  return {
    on: kindsOf(env.GYRE_NOTIFY_ON),
    webhook: webhookUrl === null ? null : { url: webhookUrl, secret: env.GYRE_NOTIFY_SECRET || null },
    mail: server === null ? null : { server, from: env.GYRE_NOTIFY_FROM || to[0]!, to },
    pageUrl: env.GYRE_PAGE_URL || env.GYRE_API_URL || null,
  }
}

/** What people get where nobody chose: how far a session is comes too often for that. */
const USUAL: readonly NewsKind[] = NEWS_KINDS.filter((kind) => kind !== 'session-progress')

/** The kinds of news that somebody gets; empty where there is no way to send any. */
export function wantedNews({ on, webhook, mail }: NotifySettings): readonly NewsKind[] {
  return webhook || mail ? on : []
}

function kindsOf(text: string | undefined): readonly NewsKind[] {
  const named = listOf(text)
  const unknown = named.find((name) => !NEWS_KINDS.includes(name as NewsKind))
  if (unknown !== undefined)
    throw new PlatformError(
      'INVALID_INPUT',
      `GYRE_NOTIFY_ON: "${unknown}" is no kind of news; there are ${NEWS_KINDS.join(', ')}`,
    )
  return named.length === 0 ? USUAL : (named as NewsKind[])
}

function address(env: Readonly<Record<string, string | undefined>>, name: string, schemes: readonly string[]) {
  const text = env[name]
  if (!text) return null
  // The address may hold a password, so that it is not shown.
  if (!URL.canParse(text) || !schemes.includes(new URL(text).protocol))
    throw new PlatformError('INVALID_INPUT', `${name} is no address that begins with ${schemes.join('// or ')}//`)
  return text
}

const listOf = (text: string | undefined): string[] =>
  (text ?? '')
    .split(',')
    .map((one) => one.trim())
    .filter(Boolean)
