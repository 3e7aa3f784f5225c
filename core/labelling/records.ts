/**
 * A labelling session as it lies in the store. Everything is create-only, so a session has no state that a crash could
 * damage: its record, its answers, the rounds that were planned from them, a request to stop, and at last its outcome.
 *
 *   sessions/<session>/{record,stop,outcome,known}.json
 *   sessions/<session>/held/<number>.json             whose screens are whose; the newest holds, and is only a courtesy
 *   annotations/<session>/log/<number>.json           events in their order: the next one is a number that nobody has taken
 *   annotations/<session>/rounds/<number>.json        what was shown, and what annotators were not told
 *
 * Two processes that both think they host a session cannot both write the next event: the slower one learns that it is
 * not the host. Earlier releases kept events as `annotations/<session>/<screen>-<annotator>[@<revision>].json`, in the order
 * of their `at`; they come before the log.
 */

import { PlatformError } from '#core/errors'
import type { annotate, StepOutput } from '#core/steps'
import { canonicalJson, namesUnder, type ObjectKey, type ObjectStore } from '#core/storage'
import type { Round, SessionEvent } from './rounds.ts'
import type { Held } from './screen-leases.ts'
import type { SessionState } from './types.ts'

/** Objects read at a time: a bucket answers in tens of milliseconds, and a session has thousands. */
const READS_AT_ONCE = 32

export interface SessionRecord {
  readonly id: string
  readonly run: string
  readonly node: string
  readonly dataset: string
  readonly version: string
  readonly images: number
  readonly classes: readonly string[]
  readonly annotator: 'web' | 'simulated'
  readonly targetAccuracy: number
  /** As in the policy; `single` and 1 where left out. */
  readonly task?: 'single' | 'multi' | 'ordinal'
  readonly overlap?: number
  /** Of the pipeline, in Markdown. */
  readonly instructions?: string
  /** ISO 8601. */
  readonly openedAt: string
}

export interface SessionOutcome {
  readonly output: StepOutput<typeof annotate>
  readonly state: SessionState
  readonly endedAt: string
}

/** @returns the record that holds: this one, or that of an earlier life of the session. */
export async function openSessionRecord(store: ObjectStore, record: SessionRecord): Promise<SessionRecord> {
  await createJson(store, recordKey(record.id), record)
  return sessionRecord(store, record.id)
}

/** @throws {PlatformError} `SESSION_NOT_FOUND`. */
export async function sessionRecord(store: ObjectStore, session: string): Promise<SessionRecord> {
  const record = await readJson<SessionRecord>(store, recordKey(session))
  if (record) return record
  throw new PlatformError(
    'SESSION_NOT_FOUND',
    `no labelling session is called "${session}"; list them with \`gyre annotate list\``,
    { session },
  )
}

/** Newest first. */
export async function listSessions(store: ObjectStore): Promise<SessionRecord[]> {
  const ids = await namesUnder(store, 'sessions')
  const records = await Promise.all(ids.map((id) => readJson<SessionRecord>(store, recordKey(id))))
  return records
    .filter((record) => record !== null)
    .sort((a, b) => (a.openedAt < b.openedAt ? 1 : a.openedAt > b.openedAt ? -1 : a.id < b.id ? -1 : 1))
}

/**
 * Asks the session's host to end with the labels there are. Asking again changes nothing.
 *
 * @throws {PlatformError} `SESSION_NOT_FOUND`.
 */
export async function requestStop(store: ObjectStore, session: string, by: string): Promise<void> {
  await sessionRecord(store, session)
  await createJson(store, stopKey(session), { by, at: new Date().toISOString() })
}

export async function stopRequested(store: ObjectStore, session: string): Promise<boolean> {
  return (await store.head(stopKey(session))) !== null
}

/** Outcomes of earlier releases lack what states did not have then. */
export async function readOutcome(store: ObjectStore, session: string): Promise<SessionOutcome | null> {
  const outcome = await readJson<SessionOutcome>(store, `sessions/${session}/outcome.json`)
  if (!outcome || 'classes' in outcome.state) return outcome
  const { classes } = await sessionRecord(store, session)
  const since = { pace: { grid: null, control: null }, secondsLeft: 0, people: 0, disagreements: 0, classes }
  return { ...outcome, state: { ...since, ...(outcome.state as SessionState) } }
}

/** @returns the outcome that holds: this one, or the one that an earlier life recorded. */
export async function recordOutcome(
  store: ObjectStore,
  session: string,
  outcome: SessionOutcome,
): Promise<SessionOutcome> {
  await createJson(store, `sessions/${session}/outcome.json`, outcome)
  return (await readOutcome(store, session))!
}

/**
 * @param number - counts from 1; earlier releases' events do not count.
 * @returns false when there is an event of this number already.
 */
export async function recordEvent(
  store: ObjectStore,
  session: string,
  number: number,
  event: SessionEvent,
): Promise<boolean> {
  return createJson(store, eventKey(session, number), event)
}

/** The event of this number, or null. */
export async function readEvent(store: ObjectStore, session: string, number: number): Promise<SessionEvent | null> {
  return readJson<SessionEvent>(store, eventKey(session, number))
}

/** All events, in their order. */
export async function readEvents(store: ObjectStore, session: string): Promise<SessionEvent[]> {
  const { former, log } = await readLog(store, session)
  return [...former, ...log]
}

/** Events of earlier releases, and those of the log, in their order. */
export async function readLog(
  store: ObjectStore,
  session: string,
): Promise<{ readonly former: readonly SessionEvent[]; readonly log: readonly SessionEvent[] }> {
  const prefix = answersOf(session)
  const [former, log] = await Promise.all([
    readAll<SessionEvent>(store, prefix, (name) => /^\d/.test(name)),
    readAll<SessionEvent>(store, `${prefix}log/`, () => true),
  ])
  return { former: former.sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0)), log }
}

/** @returns the round of this number that holds: this one, or one that is there already. */
export async function recordRound(store: ObjectStore, session: string, round: Round): Promise<Round> {
  const key = `${roundsOf(session)}${String(round.number).padStart(6, '0')}.json`
  return (await createJson(store, key, round)) ? round : (await readJson<Round>(store, key))!
}

/** Who had which screen when the host last said so. */
export async function readHeld(store: ObjectStore, session: string): Promise<{ number: number; held: Held }> {
  const keys: ObjectKey[] = []
  for await (const { key } of store.list(heldOf(session))) keys.push(key)
  const newest = keys.at(-1)
  if (!newest) return { number: 0, held: {} }
  const number = Number(newest.slice(heldOf(session).length, -'.json'.length))
  return { number, held: (await readJson<Held>(store, newest)) ?? {} }
}

/** Replaces the record of this number less one. */
export async function recordHeld(store: ObjectStore, session: string, number: number, held: Held): Promise<void> {
  await createJson(store, heldKey(session, number), held)
  await store.delete(heldKey(session, number - 1))
}

/** The rounds planned so far, ascending. */
export async function readRounds(store: ObjectStore, session: string): Promise<Round[]> {
  return readAll<Round>(store, roundsOf(session), () => true)
}

const recordKey = (session: string): ObjectKey => `sessions/${session}/record.json`
const stopKey = (session: string): ObjectKey => `sessions/${session}/stop.json`
const answersOf = (session: string): string => `annotations/${session}/`
const eventKey = (session: string, number: number): ObjectKey =>
  `${answersOf(session)}log/${String(number).padStart(8, '0')}.json`
const heldOf = (session: string): string => `sessions/${session}/held/`
const heldKey = (session: string, number: number): ObjectKey =>
  `${heldOf(session)}${String(number).padStart(8, '0')}.json`
const roundsOf = (session: string): string => `annotations/${session}/rounds/`

/** @returns false when something is there already. */
export async function createJson(store: ObjectStore, key: ObjectKey, value: unknown): Promise<boolean> {
  return store.create(key, Buffer.from(canonicalJson(value)))
}

/** All values beneath a prefix whose remaining name is wanted, in the order of their keys. */
export async function readAll<T>(store: ObjectStore, prefix: string, wanted: (name: string) => boolean): Promise<T[]> {
  const keys: ObjectKey[] = []
  for await (const { key } of store.list(prefix)) if (wanted(key.slice(prefix.length))) keys.push(key)
  const values: T[] = []
  for (let from = 0; from < keys.length; from += READS_AT_ONCE) {
    const read = await Promise.all(keys.slice(from, from + READS_AT_ONCE).map((key) => readJson<T>(store, key)))
    values.push(...read.filter((value): value is Awaited<T> & T => value !== null))
  }
  return values
}

async function readJson<T>(store: ObjectStore, key: ObjectKey): Promise<T | null> {
  try {
    return JSON.parse(Buffer.from(await store.get(key)).toString()) as T
  } catch (error) {
    if (error instanceof PlatformError && error.code === 'OBJECT_NOT_FOUND') return null
    throw error
  }
}

export function sessionClosed(session: string): PlatformError {
  return new PlatformError('SESSION_CLOSED', `session ${session} has ended; its answers are kept`, { session })
}
