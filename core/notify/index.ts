/** What people are told of runs, by webhook and mail; and the signatures that webhooks carry, both ways. */

export { deliverNews } from './deliver.ts'
export { headline, NEWS_KINDS, type News, type NewsKind, type SessionNews } from './news.ts'
export { readNotifySettings, wantedNews, type NotifySettings } from './settings.ts'
export { SIGNATURE_HEADER, signatureOf, signatureTrouble, TOLERANCE_SECONDS } from './signature.ts'
