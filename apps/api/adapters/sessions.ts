import { exportLabels } from '#core/interop'
import {
  addComment,
  connectSession,
  listComments,
  listSessions,
  readInstructions,
  sessionRecord,
  writeInstructions,
  type SessionRecord as StoredSession,
} from '#core/labelling'
import type { ObjectStore } from '#core/storage'
import type { SessionPort } from '../ports.ts'
import type { SessionRecord } from '../schemas.ts'

export function sessionsOf(store: ObjectStore): SessionPort {
  return {
    list: async () => (await listSessions(store)).map(toRecord),
    record: async (id) => toRecord(await sessionRecord(store, id)),
    connect: (id) => connectSession(store, id),
    comments: (id) => listComments(store, id),
    comment: (id, comment, by) => addComment(store, id, { ...comment, by, at: new Date().toISOString() }),
    instructions: (id) => readInstructions(store, id),
    export: (id, options) => exportLabels(store, id, options),
    instruct: (id, instructions, by) =>
      writeInstructions(store, id, { ...instructions, by, at: new Date().toISOString() }),
  }
}

function toRecord({
  node: _,
  instructions: __,
  task = 'single',
  overlap = 1,
  ...record
}: StoredSession): SessionRecord {
  return { ...record, task, overlap }
}
