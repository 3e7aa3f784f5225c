import { connectSession, listSessions, sessionRecord, type SessionRecord as StoredSession } from '#core/labelling'
import type { ObjectStore } from '#core/storage'
import type { SessionPort } from '../ports.ts'
import type { SessionRecord } from '../schemas.ts'

export function sessionsOf(store: ObjectStore): SessionPort {
  return {
    list: async () => (await listSessions(store)).map(toRecord),
    record: async (id) => toRecord(await sessionRecord(store, id)),
    connect: (id) => connectSession(store, id),
  }
}

function toRecord({ id, run, dataset, version, images, classes, annotator, openedAt }: StoredSession): SessionRecord {
  return { id, run, dataset, version, images, classes, annotator, openedAt }
}
