/** Brings news to where people read it: a webhook that chats understand, and mail. */

import { PlatformError } from '#core/errors'
import { sendMail } from './mail.ts'
import { details, headline, type News } from './news.ts'
import type { NotifySettings } from './settings.ts'
import { SIGNATURE_HEADER, signatureOf } from './signature.ts'

const PATIENCE_MS = 20_000

/**
 * Delivers by every way that is set up. A way that failed does not keep the others from being tried; trying again may
 * bring a message twice, which the receiver tells by its `id`.
 *
 * @throws {PlatformError} `NOTIFICATION_FAILED` naming the ways, without addresses or secrets.
 */
export async function deliverNews(settings: NotifySettings, news: News): Promise<void> {
  if (!settings.on.includes(news.kind)) return
  const ways = [
    ...(settings.webhook ? [['webhook', postNews(settings.webhook, settings, news)] as const] : []),
    ...(settings.mail ? [['mail', mailNews(settings.mail, settings, news)] as const] : []),
  ]
  const ends = await Promise.allSettled(ways.map(([, sent]) => sent))
  const troubles = ends.flatMap((end, index) =>
    end.status === 'rejected' ? [`${ways[index]![0]}: ${(end.reason as Error).message}`] : [],
  )
  if (troubles.length > 0) throw new PlatformError('NOTIFICATION_FAILED', troubles.join('; '), { run: news.run })
}

/** `text` is what Slack, Mattermost and Teams show; the rest is for programs. */
async function postNews(
  { url, secret }: NonNullable<NotifySettings['webhook']>,
  { pageUrl }: NotifySettings,
  news: News,
): Promise<void> {
  const text = [headline(news), ...details(news, pageUrl)].join('\n')
  const id = [news.run, news.generation, news.kind, news.node ?? '', ...(news.mark ? [news.mark] : [])].join('/')
  const event = news.session ? news.kind.replace('-', '.') : `run.${news.kind}`
  const body = JSON.stringify({ text, id, event, ...news })
  const at = Math.floor(Date.now() / 1_000)
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(secret && { [SIGNATURE_HEADER]: signatureOf(secret, body, at) }),
    },
    body,
    redirect: 'error',
    signal: AbortSignal.timeout(PATIENCE_MS),
  }).catch((error: unknown) => {
    throw new Error(`does not answer (${causeOf(error)})`, { cause: error })
  })
  await response.body?.cancel()
  if (!response.ok) throw new Error(`answered ${response.status}`)
}

async function mailNews(
  { server, from, to }: NonNullable<NotifySettings['mail']>,
  { pageUrl }: NotifySettings,
  news: News,
): Promise<void> {
  const subject = headline(news)
  await sendMail(server, { from, to, subject, text: [subject, '', ...details(news, pageUrl)].join('\n') })
}

/** The code of the socket's error: messages name the address, whose path may be a secret. */
function causeOf(error: unknown): string {
  const { cause, name } = error as Error & { cause?: { code?: string } }
  return cause?.code ?? name
}
