/** A session that has ended: it says what it said, and takes nothing any more. */

import { openVersion } from '#core/datasets'
import type { ObjectStore } from '#core/storage'
import { ClassNames } from './class-names.ts'
import { People } from './people.ts'
import { readEvents, readRounds, sessionClosed, sessionRecord, type SessionOutcome } from './records.ts'
import type { SessionHost, SessionLabel } from './types.ts'

export function endedSession(store: ObjectStore, session: string, { state, output }: SessionOutcome): SessionHost {
  const refuse = (): Promise<never> => Promise.reject(sessionClosed(session))
  return {
    next: () => Promise.resolve([]),
    submit: refuse,
    undo: refuse,
    redo: refuse,
    changeClasses: refuse,
    request: refuse,
    review: refuse,
    reasons: refuse,
    state: () => Promise.resolve(state),
    stop: () => Promise.resolve(state),
    people: async () => (await peopleOf(store, session)).stats(),
    disagreements: async (after, count) => (await peopleOf(store, session)).disagreements(after, count),
    labels: () => labelsOf(store, session, output.version),
  }
}

/** Who did what, from the events and rounds in the store alone. */
async function peopleOf(store: ObjectStore, session: string): Promise<People> {
  const [{ classes }, rounds, events] = await Promise.all([
    sessionRecord(store, session),
    readRounds(store, session),
    readEvents(store, session),
  ])
  const names = new ClassNames(classes)
  const people = new People(names)
  const shown = new Map(
    rounds.flatMap(({ number, screens }) => screens.map((screen) => [screen.id, { number, screen }])),
  )
  for (const event of events) {
    if (event.type === 'class-added') names.add(event.name, event.at)
    else if (event.type === 'class-removed') names.remove(event.name, event.into)
    else if (event.type === 'withdrawal') people.withdrawn(event)
    else if (event.type === 'answer') {
      const planned = shown.get(event.screen)
      if (planned) people.answered(event, planned.screen, planned.number)
    }
  }
  people.classesChanged()
  return people
}

/** The labels of the version that the session made. */
async function* labelsOf(
  store: ObjectStore,
  session: string,
  version: SessionOutcome['output']['version'],
): AsyncIterable<SessionLabel> {
  const [judges, rows] = await Promise.all([
    peopleOf(store, session).then((people) => people.judges()),
    openVersion(store, version).then((reader) => reader.labels()),
  ])
  for (const { digest, label, tags, origin, humanSeen, excluded } of rows)
    yield {
      ...{ digest, label, origin, humanSeen, excluded },
      ...(tags && { tags }),
      ...(judges.get(digest) ?? { annotators: [], at: null }),
    }
}
