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
}

export interface LabellingPolicy {
  readonly targetAccuracy: number
  readonly seed: number
}

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
}

/** A sample of frozen labels. The screens of its round show each of them once, under its frozen label. */
export interface Audit {
  /** Counts from 1. */
  readonly look: number
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
  /** `explore`: clusters; `learn`: uncertain and drawn images; `audit`; `adjudicate`: second looks at its disputes. */
  readonly purpose: 'explore' | 'learn' | 'audit' | 'adjudicate'
  readonly screens: readonly PlannedScreen[]
  /** The probe's penalty, where one was fitted. */
  readonly lambda?: number
  readonly audit?: Audit
  /** Screens that the engine expects after this round; null where it cannot tell. */
  readonly screensAfter: number | null
  /** Unseen images whose prediction the engine would have accepted when it planned. */
  readonly accepted: number
}

/** One stored submission. `at` ascends strictly within a session: it is the order of events. */
export type SessionEvent =
  | ({ readonly type: 'answer'; readonly revision: number } & Answer)
  | {
      readonly type: 'withdrawal'
      readonly screen: string
      readonly annotator: string
      readonly revision: number
      readonly at: string
    }
