/**
 * What people write beside their answers: comments on a session, a screen or an image, and the lead's instructions. They
 * decide nothing, so they need no host: they can be written and read while the session sleeps and after it has ended.
 *
 *   sessions/<session>/comments/<time>-<author>.json
 *   sessions/<session>/instructions/<number>.json      the newest holds
 */

import { PlatformError } from '#core/errors'
import type { ObjectKey, ObjectStore } from '#core/storage'
import { createJson, readAll, readEvents, sessionRecord } from './records.ts'

export interface Comment {
  /** ISO 8601. */
  readonly at: string
  readonly by: string
  readonly text: string
  /** What it is about; both null: the session. */
  readonly screen: string | null
  readonly image: string | null
}

export interface Instructions {
  /** What belongs to which class and what does not, in Markdown. */
  readonly text: string
  /** Example images of each class, by digest. */
  readonly examples: Readonly<Record<string, readonly string[]>>
  /** Who wrote them, and when (ISO 8601); null where they came with the pipeline, or nobody wrote any. */
  readonly by: string | null
  readonly at: string | null
}

/** How often a writer of instructions tries again when another one was faster. */
const TRIES = 20

/** @throws {PlatformError} `SESSION_NOT_FOUND`. */
export async function addComment(store: ObjectStore, session: string, comment: Comment): Promise<Comment> {
  await sessionRecord(store, session)
  const key = `${commentsOf(session)}${comment.at}-${encodeURIComponent(comment.by)}.json`
  if (await createJson(store, key, comment)) return comment
  return addComment(store, session, { ...comment, at: new Date(Date.parse(comment.at) + 1).toISOString() })
}

/** Comments, and those that came with answers, oldest first. */
export async function listComments(store: ObjectStore, session: string): Promise<Comment[]> {
  await sessionRecord(store, session)
  const [written, events] = await Promise.all([
    readAll<Comment>(store, commentsOf(session), () => true),
    readEvents(store, session),
  ])
  const answered = events.flatMap((event): Comment[] => {
    if (event.type !== 'answer' || !event.comment) return []
    return [{ at: event.at, by: event.annotator, text: event.comment, screen: event.screen, image: null }]
  })
  return [...written, ...answered].sort((a, b) => (a.at < b.at ? -1 : a.at > b.at ? 1 : 0))
}

/** The newest; those of the pipeline, or none, where nobody wrote any since. */
export async function readInstructions(store: ObjectStore, session: string): Promise<Instructions> {
  const { instructions = '' } = await sessionRecord(store, session)
  const written = await readAll<Instructions>(store, instructionsOf(session), () => true)
  return written.at(-1) ?? { text: instructions, examples: {}, by: null, at: null }
}

/** Writes the next instructions; the earlier ones are kept. */
export async function writeInstructions(
  store: ObjectStore,
  session: string,
  instructions: Instructions,
): Promise<Instructions> {
  await sessionRecord(store, session)
  let number = 1 + (await readAll(store, instructionsOf(session), () => true)).length
  for (const last = number + TRIES; number < last; number += 1)
    if (await createJson(store, `${instructionsOf(session)}${String(number).padStart(6, '0')}.json`, instructions))
      return instructions
  throw new PlatformError('POINTER_MOVED', `others keep writing the instructions of session ${session}; try again`)
}

const commentsOf = (session: string): ObjectKey => `sessions/${session}/comments/`
const instructionsOf = (session: string): ObjectKey => `sessions/${session}/instructions/`
