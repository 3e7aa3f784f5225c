/** How often predictions and people have turned out wrong in this session, by its rounds and answers. */

import type { Ledger } from './ledger.ts'
import { surpriseFactor } from './outlook.ts'
import { missRateOf } from './review.ts'
import type { PlannedScreen } from './rounds.ts'

export interface SecondLooks {
  /** Images that were shown more than once. */
  readonly images: ReadonlySet<number>
  /** Labels among them that the second look changed, audits left out. */
  readonly changed: number
}

/** How much more often predictions turned out wrong than the learning rounds expected. */
export function surprise(ledger: Ledger): number {
  const tested = ledger.rounds.filter(
    (round) => round.purpose === 'learn' && round.expected !== undefined && ledger.isAnswered(round),
  )
  return surpriseFactor(
    tested.map(({ screens, expected }) => ({
      expected: expected!,
      found: screens
        .filter(({ kind }) => kind === 'verify' || kind === 'pair')
        .reduce((sum, { id }) => sum + changedOn(ledger, ledger.screen(id)!), 0),
    })),
  )
}

/** Images whose label is not what their screen proposed. */
export function changedOn({ book, row, problem }: Ledger, { images, proposed, proposals }: PlannedScreen): number {
  return images.filter((image, i) => {
    const name = problem.classes[book.label[row.get(image)!]!]
    return name !== (proposals?.[i] ?? proposed)
  }).length
}

export function secondLooks(ledger: Ledger): SecondLooks {
  const { book, rounds, row, problem } = ledger
  const once = new Set<number>()
  const images = new Set<number>()
  let changed = 0
  for (const { purpose, screens } of rounds) {
    const tests = purpose === 'learn' || purpose === 'review'
    for (const { id, kind, proposed, images: shown } of screens) {
      const counts = tests && kind === 'verify' && ledger.answersWanted(id) === 0
      for (const digest of shown) {
        const image = row.get(digest)!
        if (!once.has(image)) {
          once.add(image)
          continue
        }
        images.add(image)
        if (counts && problem.classes[book.label[image]!] !== proposed) changed += 1
      }
    }
  }
  return { images, changed }
}

/** Share of misfits that people overlook, by gold and by what second looks changed. */
export function missRate({ book }: Ledger, { images, changed }: SecondLooks): number {
  let [shown, missed] = [0, 0]
  for (const gold of book.goldByAnnotator.values()) [shown, missed] = [shown + gold.shown, missed + gold.missed]
  return missRateOf({ shown, missed }, images.size > 0 ? book.tally.misfits : 0, changed)
}
