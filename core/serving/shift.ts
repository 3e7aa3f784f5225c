/** Which shares a canary, its promotion and the way back mean. */

import type { Traffic } from '#core/compute'
import { PlatformError } from '#core/errors'
import type { PointerEntry } from '#core/storage'

/**
 * A part of the requests to a new revision. It comes off the revision that has most of them.
 *
 * @param percent - whole percents, 1–100.
 */
export function canaryShares(now: Traffic, revision: number, percent: number): Traffic {
  const others = Object.entries(now).filter(([other, share]) => Number(other) !== revision && share > 0)
  const main = others.toSorted((a, b) => b[1] - a[1])[0]
  if (!main) return { [revision]: 100 }
  return { [Number(main[0])]: 100 - percent, [revision]: percent }
}

/**
 * All requests to the newest revision that has any.
 *
 * @throws {PlatformError} `ENDPOINT_CONFLICT` when it has them all already.
 */
export function promotedShares(endpoint: string, now: Traffic): Traffic {
  const newest = newestWithShare(now)
  if (newest === null) throw new PlatformError('ENDPOINT_CONFLICT', `endpoint ${endpoint} has no traffic to move`)
  if (now[newest] === 100)
    throw new PlatformError(
      'ENDPOINT_CONFLICT',
      `revision ${newest} of endpoint ${endpoint} has all requests already; there is no canary`,
      { endpoint, revision: newest },
    )
  return { [newest]: 100 }
}

/**
 * All requests to the revision that had them before: the newest former state in which one other revision had them all.
 *
 * @param history - states of the shares, oldest first; the last one is now.
 * @throws {PlatformError} `ENDPOINT_CONFLICT` when there was none.
 */
export function formerShares(endpoint: string, history: readonly Pick<PointerEntry<Traffic>, 'value'>[]): Traffic {
  const newest = newestWithShare(history.at(-1)?.value ?? {})
  const former = history.findLast(({ value }) =>
    Object.entries(value).some(([r, s]) => s === 100 && Number(r) !== newest),
  )
  if (former) return former.value
  throw new PlatformError(
    'ENDPOINT_CONFLICT',
    `endpoint ${endpoint} never sent all requests to another revision; there is nothing to go back to`,
    { endpoint },
  )
}

function newestWithShare(traffic: Traffic): number | null {
  const revisions = Object.entries(traffic).flatMap(([revision, share]) => (share > 0 ? [Number(revision)] : []))
  return revisions.length === 0 ? null : Math.max(...revisions)
}
