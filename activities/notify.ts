/** Delivers one message; its workflow tries again where that may help. */

import { deliverNews, type News, type NotifySettings } from '#core/notify'
import { toFailure } from './failure.ts'

export interface NotifyActivities {
  deliver(news: News): Promise<void>
}

export function createNotifyActivities(settings: NotifySettings): NotifyActivities {
  return {
    deliver: (news) => deliverNews(settings, news).catch((error: unknown) => Promise.reject(toFailure(error))),
  }
}
