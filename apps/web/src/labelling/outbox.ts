/**
 * Answers that the server has not acknowledged, and the marks of the screen in hand, kept in the browser: a reload, a
 * crash or a dead battery loses neither. One entry an answer, so that two windows do not write over each other.
 */
import type { Answer } from '../api/types.ts'

export interface Draft {
  readonly screen: string
  readonly misfits: Answer['misfits']
  readonly comment: string
}

export interface Outbox {
  /** What an earlier sitting could not send, oldest first. */
  unsent(): readonly Answer[]
  keep(answer: Answer): void
  drop(screen: string): void
  draft(): Draft | null
  keepDraft(draft: Draft | null): void
}

/** What of the browser's storage is used. */
export interface Strings {
  readonly length: number
  key(at: number): string | null
  getItem(key: string): string | null
  setItem(key: string, value: string): void
  removeItem(key: string): void
}

interface Kept {
  readonly answer: Answer
  readonly at: number
}

/** @param owner - session and annotator: nobody sends what somebody else answered. */
export function outboxIn(storage: Strings, owner: string): Outbox {
  const prefix = `gyre:answers:${owner}:`
  const draftKey = `gyre:draft:${owner}`
  // A full or forbidden storage costs the safety of a reload, not the labelling.
  const write = (key: string, value: unknown) => {
    try {
      if (value === null) storage.removeItem(key)
      else storage.setItem(key, JSON.stringify(value))
    } catch {
      return
    }
  }
  const read = <T>(key: string): T | null => {
    try {
      return JSON.parse(storage.getItem(key) ?? 'null') as T | null
    } catch {
      return null
    }
  }
  return {
    unsent() {
      const keys = Array.from({ length: storage.length }, (_, at) => storage.key(at) ?? '')
      return keys
        .filter((key) => key.startsWith(prefix))
        .flatMap((key) => read<Kept>(key) ?? [])
        .sort((a, b) => a.at - b.at)
        .map(({ answer }) => answer)
    },
    keep: (answer) => write(prefix + answer.screen, { answer, at: Date.now() } satisfies Kept),
    drop: (screen) => write(prefix + screen, null),
    draft: () => read<Draft>(draftKey),
    keepDraft: (draft) => write(draftKey, draft),
  }
}

/** Keeps nothing beyond the page. */
export const NO_OUTBOX: Outbox = {
  unsent: () => [],
  keep: () => undefined,
  drop: () => undefined,
  draft: () => null,
  keepDraft: () => undefined,
}
