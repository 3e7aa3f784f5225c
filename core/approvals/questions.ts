/**
 * What waits for people, one object per open question under `approvals/waiting/<run>/<node>/<when>`: written when the
 * workflow asks, gone when it has its answer. Who answered what is the result of the node.
 */

import { PlatformError } from '#core/errors'
import type { Json } from '#core/plan'
import { canonicalJson, digestJson, type ObjectKey, type ObjectStore } from '#core/storage'

/** A JSON schema, as a form has it in the plan. */
export type FormSchema = Readonly<Record<string, unknown>>

/** The input of an `approve` step as its schema has read it; times in milliseconds. */
export interface ApprovalTerms {
  readonly subject: Json
  readonly question: string
  readonly approvals: number
  readonly by: readonly string[]
  readonly deadline?: number
  readonly onDeadline: 'fail' | 'approve' | 'refuse'
  readonly escalateAfter?: number
  readonly escalateTo: readonly string[]
  readonly form?: FormSchema
  readonly allowUnverified: boolean
}

export interface Question {
  readonly run: string
  readonly node: string
  readonly pipeline: string
  readonly question: string
  readonly subject: Json
  /** Digest of the subject in canonical JSON: what the answer is tied to. */
  readonly subjectSha256: string
  /** How many people must agree. */
  readonly approvals: number
  /** Who may answer: names and `role:…`; empty: whoever may publish. */
  readonly by: readonly string[]
  readonly escalateTo: readonly string[]
  /** JSON schema of what an approval must say; null where it says nothing. */
  readonly form: FormSchema | null
  /** ISO 8601. */
  readonly askedAt: string
  readonly escalateAt: string | null
  readonly deadlineAt: string | null
  readonly onDeadline: ApprovalTerms['onDeadline']
}

export interface Asked {
  readonly run: string
  readonly node: string
  readonly pipeline: string
  /** ISO 8601. */
  readonly askedAt: string
  /** From the question to the end of the waiting. */
  readonly waitMs: number
  readonly terms: ApprovalTerms
}

/** Keeps an open question. Asking again, as a resumed run does, is another question, which counts from then on. */
export async function keepQuestion(store: ObjectStore, asked: Asked): Promise<Question> {
  const { run, node, pipeline, askedAt, waitMs, terms } = asked
  const after = (ms: number) => new Date(Date.parse(askedAt) + ms).toISOString()
  const question: Question = {
    ...{ run, node, pipeline, askedAt },
    question: terms.question,
    subject: terms.subject,
    subjectSha256: digestJson(terms.subject),
    approvals: terms.approvals,
    by: terms.by,
    escalateTo: terms.escalateTo,
    form: terms.form ?? null,
    escalateAt: terms.escalateAfter === undefined ? null : after(terms.escalateAfter),
    deadlineAt: after(waitMs),
    onDeadline: terms.onDeadline,
  }
  const key: ObjectKey = `${folderOf(run, node)}${Date.parse(askedAt)}.json`
  await store.create(key, new TextEncoder().encode(canonicalJson(question)))
  return question
}

/** Forgets a question that has its answer, or will get none. */
export async function closeQuestion(store: ObjectStore, run: string, node: string): Promise<void> {
  for (const key of await keysUnder(store, folderOf(run, node))) await store.delete(key)
}

/** @returns null when nothing is asked there. */
export async function readQuestion(store: ObjectStore, run: string, node: string): Promise<Question | null> {
  const newest = (await keysUnder(store, folderOf(run, node))).at(-1)
  return newest === undefined ? null : read(store, newest)
}

/** Every question that is open, longest waiting first. */
export async function listQuestions(store: ObjectStore): Promise<readonly Question[]> {
  const newest = new Map<string, ObjectKey>()
  for (const key of await keysUnder(store, ROOT)) newest.set(key.slice(0, key.lastIndexOf('/')), key)
  const open = await Promise.all([...newest.values()].map((key) => read(store, key)))
  return open.filter((one) => one !== null).toSorted((a, b) => a.askedAt.localeCompare(b.askedAt))
}

/** In ascending order, so that the newest question of a node comes last. */
async function keysUnder(store: ObjectStore, prefix: string): Promise<readonly ObjectKey[]> {
  const keys: ObjectKey[] = []
  for await (const { key } of store.list(prefix)) keys.push(key)
  return keys.sort()
}

/** @returns null when somebody has closed it meanwhile. */
async function read(store: ObjectStore, key: ObjectKey): Promise<Question | null> {
  try {
    return JSON.parse(new TextDecoder().decode(await store.get(key))) as Question
  } catch (error) {
    if (error instanceof PlatformError && error.code === 'OBJECT_NOT_FOUND') return null
    throw error
  }
}

/** Whether somebody is among those named; an empty list names nobody. */
export function isNamed(list: readonly string[], { name, role }: { readonly name: string; readonly role: string }) {
  return list.includes(name) || list.includes(`role:${role}`)
}

const ROOT = 'approvals/waiting/'
const folderOf = (run: string, node: string): string => `${ROOT}${run}/${node}/`
