/** Growing of large pure clusters in a session: which pages were clean, what they vouch for, which one comes next. */

import type { ClusterMembers } from './explore.ts'
import { isClean, nextPage, pageCount, pageOf, pagesVouched, type GrowPage } from './grow.ts'
import type { Ledger } from './ledger.ts'
import { GRID } from './rounds.ts'
import type { LabelSpace } from './space.ts'
import { changedOn } from './track-record.ts'
import { LargeClusters, type Unit } from './units.ts'

/** A page that could be shown next. */
export interface Growth {
  readonly unit: Unit
  readonly page: number
  readonly shown: readonly number[]
  /** Unseen images before the page. */
  readonly vouched: readonly number[]
  /** Chance that an image of the page does not fit. */
  readonly misfit: number
}

export class Growing {
  private readonly large: LargeClusters

  constructor(
    private readonly ledger: Ledger,
    private readonly targetAccuracy: number,
    { clusters, space }: { readonly clusters: ClusterMembers; readonly space: LabelSpace },
  ) {
    this.large = new LargeClusters(clusters, space.coordinates)
  }

  /** The next page of each large pure cluster, of the images that are `free` to be shown. */
  growths(free: ReadonlySet<number>): Growth[] {
    return this.large.units(this.ledger.book.label).flatMap((unit): Growth[] => {
      if (!unit.pure) return []
      // The typical images that proved it pure are its first page.
      const page = nextPage([{ page: 0, clean: true }, ...this.pagesOf(unit)], pageCount(unit.members))
      if (page === null) return []
      const { own, before } = pageOf(unit.members, page)
      const shown = own.filter((image) => free.has(image))
      const vouched = before.filter((image) => free.has(image))
      return shown.length === 0 ? [] : [{ unit, page, shown, vouched, misfit: (unit.misfits + 1) / (unit.judged + 2) }]
    })
  }

  /** Labels of people, and what clean pages vouch for, [n]. */
  labels(): Int32Array {
    const { book, rounds } = this.ledger
    const labels = book.label.slice()
    if (!rounds.some(({ purpose }) => purpose === 'grow')) return labels
    for (const unit of this.large.units(book.label)) {
      const judged = this.pagesOf(unit)
      const pages = judged.length === 0 ? 0 : pagesVouched(judged, pageCount(unit.members))
      for (const image of unit.members.slice(0, GRID * pages)) if (book.isUnjudged(image)) labels[image] = unit.class
    }
    return labels
  }

  private pagesOf(unit: Unit): GrowPage[] {
    const { ledger } = this
    return ledger.rounds.flatMap(({ purpose, screens }) => {
      if (purpose !== 'grow') return []
      return screens.flatMap((planned): GrowPage[] => {
        const screen = ledger.screen(planned.id)!
        if (screen.grows?.unit !== unit.key || ledger.answersWanted(screen.id) > 0) return []
        const clean = isClean(screen.images.length, changedOn(ledger, screen), this.targetAccuracy)
        return [{ page: screen.grows.page, clean }]
      })
    })
  }
}
