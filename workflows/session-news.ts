/** What of a labelling session's milestones is news to people: each thing once, however often a host is restarted. */

import type { News } from '#core/notify'
import type { SessionMilestone } from './types.ts'

type Told = Pick<News, 'kind' | 'mark' | 'session'>

export class SessionTeller {
  private opened = false
  private ended = false
  /** Tenths of the images that were told to be labelled. */
  private tenths = 0
  /** Told again only when there are twice as many. */
  private disagreements = 0

  newsOf({ state }: SessionMilestone): readonly Told[] {
    const {
      session: id,
      status,
      images,
      labelled,
      certified,
      people = 0,
      disagreements = 0,
      secondsLeft = null,
    } = state
    const session = { id, images, labelled, certified, people, disagreements, secondsLeft }
    const news: Told[] = []
    if (!this.opened) news.push({ kind: 'session-opened', session })
    this.opened = true
    if (disagreements > 0 && disagreements >= 2 * this.disagreements) {
      this.disagreements = disagreements
      news.push({ kind: 'session-disagreement', mark: String(disagreements), session })
    }
    const tenths = images === 0 ? 0 : Math.floor((10 * labelled) / images)
    if (status === 'open' && tenths > this.tenths) {
      this.tenths = tenths
      news.push({ kind: 'session-progress', mark: `${tenths}0%`, session })
    }
    if (status !== 'open' && !this.ended) {
      this.ended = true
      news.push({ kind: status === 'certified' ? 'session-certified' : 'session-finished', session })
    }
    return news
  }
}
