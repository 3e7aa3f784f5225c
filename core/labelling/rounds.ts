/** What the engine works on, what it plans, and what it is told: the inputs and outputs of the pure part. */

import type { Matrix } from '#core/inference'
import type { Answer, Screen } from './types.ts'

/** Images are rows, in ascending order of digest; classes are indices into `classes`, −1 for none. */
export interface LabellingProblem {
  readonly digests: readonly string[]
  /** [n, d]. */
  readonly embeddings: Matrix
  /** Cluster of each image, [n], and their centroids [k, d]. */
  readonly assignment: Int32Array
  readonly centroids: Matrix
  readonly classes: readonly string[]
  /** 1 for images of the held-out split, [n]. */
  readonly heldOut: Uint8Array
  /** Classes that people gave in earlier sessions, [n]. */
  readonly known: Int32Array
  /** 1 for images that take part in nothing (found broken, say, in an earlier session), [n]. */
  readonly excluded: Uint8Array
  /** Classes that models gave before this session, −1 for none, [n]: never a label, but they steer the first screens. */
  readonly suggested?: Int32Array
  /** Of several labels an image, in place of `known` and `suggested`: 1 yes, 0 no, −1 not known, [n, classes]. */
  readonly knownPairs?: Int8Array
  readonly suggestedPairs?: Int8Array
}

export interface LabellingPolicy {
  readonly targetAccuracy: number
  readonly seed: number
  /** People who judge each image, audits left out; 1 where left out. */
  readonly overlap?: number
  /** Share of images shown alone, to measure what one-by-one labelling costs; 0.01 where left out. */
  readonly controls?: number
  /** `single` where left out. */
  readonly task?: 'single' | 'multi' | 'ordinal'
  /** Where the session's looks stand on its dataset line; left out, the session is a line of its own. */
  readonly line?: LookLine
}

/** The places of a session's looks among all looks of its dataset line: see `lookLine`. */
export interface LookLine {
  /** The place that the session's look has, or would get now. */
  expected(look: number): Promise<number>
  /** Takes a place for good; for the same look it is the same one ever after. */
  take(look: number): Promise<number>
}

export const DEFAULT_CONTROLS = 0.01

/** Chance that the whole certificate is wrong. */
export const ALPHA = 0.05
/** How that chance is spent: over at most four looks, the first the likeliest to be the last. */
export const LOOK_SHARES: readonly number[] = [0.5, 0.25, 0.125, 0.125]
/** Of each look's share: for the bound on the miss rate; the rest is for the bound on errors. */
export const GOLD_SHARE = 0.2

export const GRID = 48

/** A screen with what its annotator is not told. */
export interface PlannedScreen extends Screen {
  /** Images whose class is known, shown here under a wrong one. */
  readonly gold: readonly string[]
  /** One image alone, to measure what one-by-one labelling costs. */
  readonly control?: true
  /** A page of a growing run: the part of a cluster that it belongs to, and its number from 0. */
  readonly grows?: { readonly unit: string; readonly page: number }
}

/** A sample of frozen labels. The screens of its round show each of them once, under its frozen label. */
export interface Audit {
  /** Counts from 1. */
  readonly look: number
  /** Among all looks of the dataset line, from 1: says what it may spend. Missing where an earlier release took it. */
  readonly place?: number
  /** Names the frozen labels, and so fixes the draw: see `freezeDigest` and `drawSample`. */
  readonly frozen: string
  /** Labelled images at the freeze. */
  readonly population: number
  readonly sample: readonly { readonly image: string; readonly label: string }[]
  /** Class of every image at the freeze, Int16 little-endian, deflated, in base64. */
  readonly labels: string
  /** The share of wrong labels that the engine expected. */
  readonly expected: number
}

/** Screens planned together, from the answers there were then. */
export interface Round {
  /** Counts from 1. */
  readonly number: number
  /** Events that the plan has seen. */
  readonly after: number
  /**
   * `explore`: clusters; `grow`: pages of pure ones; `learn`: uncertain and drawn images; `review`: labels that look wrong;
   * `asked`: what people asked for; `audit`; `adjudicate`: second looks at its disputes.
   */
  readonly purpose: 'explore' | 'grow' | 'learn' | 'review' | 'asked' | 'audit' | 'adjudicate'
  /** Why this came next, in one sentence for the lead. */
  readonly because?: string
  /** Requests, from the first on, that this and the earlier rounds have taken up; 0 where left out. */
  readonly requestsServed?: number
  readonly screens: readonly PlannedScreen[]
  /** The probe's penalty, where one was fitted. */
  readonly lambda?: number
  /** Images of a learning round that the engine expected to be wrong. */
  readonly expected?: number
  readonly audit?: Audit
  /** Screens that the engine expects after this round; null where it cannot tell. */
  readonly screensAfter: number | null
  /** Unseen images whose prediction the engine would have accepted when it planned. */
  readonly accepted: number
}

/** One stored event. `at` ascends strictly within a session: it is the order of events. */
export type SessionEvent = AnswerEvent | WithdrawalEvent | SessionChange

/** `revision` counts what one annotator says of one screen, answers and withdrawals alike, from 0. */
export type AnswerEvent = { readonly type: 'answer'; readonly revision: number } & Answer

export interface WithdrawalEvent {
  readonly type: 'withdrawal'
  readonly screen: string
  readonly annotator: string
  readonly revision: number
  readonly at: string
}

/** What happens to the session as a whole. */
export type SessionChange =
  | { readonly type: 'class-added'; readonly name: string; readonly by: string; readonly at: string }
  | {
      readonly type: 'class-removed'
      readonly name: string
      /** The class that its images go to; null: they come back. */
      readonly into: string | null
      readonly by: string
      readonly at: string
    }
  | RequestEvent
  | { readonly type: 'image-removed'; readonly image: string; readonly at: string }

export interface RequestEvent {
  readonly type: 'requested'
  readonly images: readonly string[]
  readonly proposed: string | null
  readonly by: string
  readonly at: string
  /** Also images that people labelled already. */
  readonly review?: boolean
}

/** Whether the event is about one screen. */
export function isAboutScreen(event: SessionEvent): event is AnswerEvent | WithdrawalEvent {
  return event.type === 'answer' || event.type === 'withdrawal'
}
