/**
 * Classes that have an order, the lowest first: grades, degrees of wear. A label one class off is a smaller error than one
 * at the other end, and the class beside the likeliest is the better second guess.
 */

import type { LookResult } from './certificate.ts'
import type { Prediction } from './probe.ts'

/**
 * The same prediction with a second guess beside the first: one step towards the class that the probe held second. So the
 * one-key correction goes to a neighbour, and screens of two panes show neighbours.
 *
 * @param order - codes of the session's classes, the lowest class first.
 */
export function besideBest<P extends Pick<Prediction, 'best' | 'second'>>(prediction: P, order: readonly number[]): P {
  const place = new Map(order.map((code, at) => [code, at]))
  const second = prediction.second.map((code, image) => {
    const [from, to] = [place.get(prediction.best[image]!), place.get(code)]
    if (from === undefined || to === undefined) return code
    return order[from + Math.sign(to - from)]!
  })
  return { ...prediction, second }
}

/** How labels and what people said of them agree, where classes have an order. */
export interface OrderAgreement {
  /** Images of the audit's sample that people gave a class. */
  readonly images: number
  readonly wrong: number
  /** Of the wrong ones: those that are one class off. */
  readonly adjacent: number
  /** Share of images whose label is right or one class off; null without images. */
  readonly withinOne: number | null
  /** Quadratically weighted kappa (Cohen, 1968); null where chance alone would agree. */
  readonly kappa: number | null
}

/** Of the newest look: its sample was drawn at random from all labels. Null before any. */
export function orderAgreement(classes: readonly string[], looks: readonly LookResult[]): OrderAgreement | null {
  const look = looks.at(-1)
  if (!look) return null
  const place = new Map(classes.map((name, at) => [name, at]))
  const pairs = look.sample.flatMap(({ label, judged }) => {
    const [said, is] = [place.get(label), judged === null ? undefined : place.get(judged)]
    return said === undefined || is === undefined ? [] : [[said, is] as const]
  })
  const far = pairs.map(([said, is]) => Math.abs(said - is))
  const wrong = far.filter((steps) => steps > 0).length
  const adjacent = far.filter((steps) => steps === 1).length
  return {
    ...{ images: pairs.length, wrong, adjacent },
    withinOne: pairs.length === 0 ? null : 1 - (wrong - adjacent) / pairs.length,
    kappa: quadraticKappa(pairs, classes.length),
  }
}

/**
 * Agreement beyond chance, where a disagreement weighs the square of its distance.
 *
 * @param pairs - places in the order, from 0.
 * @returns 1 for full agreement, 0 for what chance gives; null where both sides name one and the same class only.
 */
export function quadraticKappa(pairs: readonly (readonly [number, number])[], classes: number): number | null {
  const [rows, columns] = [new Float64Array(classes), new Float64Array(classes)]
  let observed = 0
  for (const [a, b] of pairs) {
    rows[a]! += 1
    columns[b]! += 1
    observed += (a - b) ** 2
  }
  let expected = 0
  for (let a = 0; a < classes; a++)
    for (let b = 0; b < classes; b++) expected += (rows[a]! * columns[b]! * (a - b) ** 2) / Math.max(1, pairs.length)
  return expected === 0 ? null : 1 - observed / expected
}
