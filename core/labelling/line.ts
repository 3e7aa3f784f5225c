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

import { canonicalJson, type ObjectKey, type ObjectStore } from '#core/storage'
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

/** The line of a session's dataset. What is known of it is kept: places never change. */
export function lookLine(store: ObjectStore, dataset: string, session: string): LookLine {
  let known: readonly Place[] = []
  const look = async (number: number): Promise<{ own: number | undefined; next: number }> => {
    known = await readPlaces(store, dataset, known)
    const own = known.find((place) => place.session === session && place.look === number)?.place
    return { own, next: (known.at(-1)?.place ?? 0) + 1 }
  }
  return {
    async expected(number) {
      const { own, next } = await look(number)
      return own ?? next
    },
    async take(number) {
      for (;;) {
        const { own, next } = await look(number)
        if (own !== undefined) return own
        const record: Omit<Place, 'place'> = { session, look: number, at: new Date().toISOString() }
        if (await store.create(keyOf(dataset, next), Buffer.from(canonicalJson(record)))) return next
      }
    },
  }
}

/** The place of a session's next look: reckoned with while a look is planned, taken when it begins. */
export class NextPlace {
  /** As far as it is known. */
  place = 1

  constructor(private readonly line: LookLine | undefined) {}

  async expect(look: number): Promise<void> {
    this.place = (await this.line?.expected(look)) ?? look
  }

  /** @returns false when another look of the line came first, so that this one has to be planned anew. */
  async take(look: number): Promise<boolean> {
    const before = this.place
    this.place = (await this.line?.take(look)) ?? look
    return this.place === before
  }
}

/**
 * All places taken on a line, ascending.
 *
 * @param known - those that were read before.
 */
export async function readPlaces(
  store: ObjectStore,
  dataset: string,
  known: readonly Place[] = [],
): Promise<readonly Place[]> {
  const taken = await storedPlaces(store, dataset, known)
  if (taken.length > 0) return taken
  for (const { place, ...record } of await earlierLooks(store, dataset))
    await store.create(keyOf(dataset, place), Buffer.from(canonicalJson(record)))
  return storedPlaces(store, dataset, known)
}

async function storedPlaces(store: ObjectStore, dataset: string, known: readonly Place[]): Promise<readonly Place[]> {
  const places: Place[] = [...known]
  const startAfter = places.length === 0 ? {} : { startAfter: keyOf(dataset, places.at(-1)!.place) }
  for await (const { key } of store.list(placesOf(dataset), startAfter)) {
    const record = JSON.parse(Buffer.from(await store.get(key)).toString()) as Omit<Place, 'place'>
    places.push({ place: Number(key.slice(placesOf(dataset).length, -'.json'.length)), ...record })
  }
  return places
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

const placesOf = (dataset: string): string => `certificates/${dataset}/looks/`
const keyOf = (dataset: string, place: number): ObjectKey =>
  `${placesOf(dataset)}${String(place).padStart(6, '0')}.json`
