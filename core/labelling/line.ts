/**
 * The looks of a dataset line: all audits of all sessions on one dataset, whatever its version, in the order in which they
 * were begun. Each takes a place before its sample is drawn, and the place says how much of the line's chance of error it
 * may spend (`lineShare`). Places are create-only, so no two looks ever share one:
 *
 *   certificates/<dataset>/looks/<place>.json     { session, look, at }
 *
 * Looks that earlier releases took spent a session's own chance of error. They get the first places, so that later looks
 * never spend what they may have spent.
 */

import { canonicalJson, namesUnder, type ObjectKey, type ObjectStore } from '#core/storage'
import { listSessions, readRounds } from './records.ts'
import type { LookLine } from './rounds.ts'

export interface Place {
  /** From 1. */
  readonly place: number
  readonly session: string
  /** Its number in the session. */
  readonly look: number
  /** ISO 8601. */
  readonly at: string
  /** Taken by an earlier release, by a schedule of the session's own. */
  readonly own?: true
}

export function lookLine(store: ObjectStore, dataset: string, session: string): LookLine {
  const placeOf = async (look: number): Promise<{ known: number | undefined; next: number }> => {
    const places = await readPlaces(store, dataset)
    const known = places.find((place) => place.session === session && place.look === look)?.place
    return { known, next: (places.at(-1)?.place ?? 0) + 1 }
  }
  return {
    async expected(look) {
      const { known, next } = await placeOf(look)
      return known ?? next
    },
    async take(look) {
      for (;;) {
        const { known, next } = await placeOf(look)
        if (known !== undefined) return known
        const record: Omit<Place, 'place'> = { session, look, at: new Date().toISOString() }
        if (await store.create(keyOf(dataset, next), Buffer.from(canonicalJson(record)))) return next
      }
    },
  }
}

/** All places taken on a line, ascending. */
export async function readPlaces(store: ObjectStore, dataset: string): Promise<readonly Place[]> {
  const taken = await storedPlaces(store, dataset)
  if (taken.length > 0) return taken
  const earlier = await earlierLooks(store, dataset)
  for (const { place, ...record } of earlier)
    await store.create(keyOf(dataset, place), Buffer.from(canonicalJson(record)))
  return earlier.length === 0 ? earlier : storedPlaces(store, dataset)
}

async function storedPlaces(store: ObjectStore, dataset: string): Promise<readonly Place[]> {
  const names = await namesUnder(store, placesOf(dataset))
  return Promise.all(
    names.map(async (name) => {
      const place = Number(name.replace('.json', ''))
      const record = JSON.parse(Buffer.from(await store.get(keyOf(dataset, place))).toString()) as Omit<Place, 'place'>
      return { place, ...record }
    }),
  )
}

/** Looks without a place, of sessions that an earlier release opened on the line; the oldest session first. */
async function earlierLooks(store: ObjectStore, dataset: string): Promise<readonly Place[]> {
  const sessions = (await listSessions(store)).filter((record) => record.dataset === dataset).reverse()
  const looks: Place[] = []
  for (const { id: session, openedAt: at } of sessions)
    for (const { audit } of await readRounds(store, session))
      if (audit && audit.place === undefined)
        looks.push({ place: looks.length + 1, session, look: audit.look, at, own: true })
  return looks
}

const placesOf = (dataset: string): string => `certificates/${dataset}/looks`
const keyOf = (dataset: string, place: number): ObjectKey =>
  `${placesOf(dataset)}/${String(place).padStart(6, '0')}.json`
