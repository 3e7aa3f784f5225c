/** An annotator that knows the truth and never overlooks a misfit: for demonstrations, tests and benchmarks. */

import { readFile } from 'node:fs/promises'
import { isPlatformError, PlatformError } from '#core/errors'
import { NO, YES } from './pairs.ts'
import type { Answer, Misfit, Screen, SessionHost } from './types.ts'

/** Class of each image by digest, or all classes that it shows. */
export type Oracle = Readonly<Record<string, string | readonly string[]>>

/** @throws {PlatformError} `INVALID_INPUT` when the file is not JSON {image digest: class, or a list of classes}. */
export async function readOracle(path: string): Promise<Oracle> {
  const parsed = await readFile(path, 'utf8')
    .then((text) => JSON.parse(text) as unknown)
    .catch((cause: unknown) => {
      throw new PlatformError('INVALID_INPUT', `the oracle ${path} cannot be read as JSON`, { path }, { cause })
    })
  const isTruth = (value: unknown): boolean =>
    typeof value === 'string' || (Array.isArray(value) && value.every((one) => typeof one === 'string'))
  if (typeof parsed === 'object' && parsed !== null && Object.values(parsed).every(isTruth)) return parsed as Oracle
  throw new PlatformError(
    'INVALID_INPUT',
    `the oracle ${path} is not an object {image digest: class, or a list of classes}`,
    { path },
  )
}

/** Answers screens until the session has ended. An image that the oracle does not know is marked "do not know". */
export async function simulateAnnotator(host: SessionHost, oracle: Oracle, annotator = 'simulated'): Promise<void> {
  try {
    for (;;) {
      const screens = await host.next(annotator, 8)
      if (screens.length === 0 && !(await isOpen(host))) return
      for (const screen of screens) await host.submit(simulatedAnswer(screen, oracle, annotator))
    }
  } catch (error) {
    // Somebody stopped the session between two answers.
    if (!isPlatformError(error) || error.code !== 'SESSION_CLOSED') throw error
  }
}

/** A host that answers no more has come to its end, with the session or before it. */
async function isOpen(host: SessionHost): Promise<boolean> {
  const state = await host.state().catch(() => null)
  return state?.status === 'open'
}

/** The proposed class, else the one that most images of the screen have; the others are misfits with their own. */
export function simulatedAnswer(screen: Screen, oracle: Oracle, annotator: string): Omit<Answer, 'at'> {
  const truthOf = (image: string): string | undefined => truthAsked(oracle[image], screen.asks)
  const chosen = screen.proposed ?? mostCommon(screen.images.flatMap((image) => truthOf(image) ?? []))
  const misfits = screen.images.flatMap((image, i): Misfit[] => {
    const truth = truthOf(image)
    if (truth === undefined) return [{ image, class: null, why: 'unsure' }]
    return truth === (screen.proposals?.[i] ?? chosen) ? [] : [{ image, class: truth }]
  })
  return { screen: screen.id, annotator, class: chosen, misfits, activeMs: null }
}

/** On a screen that asks about one of several classes: whether the image shows it. */
function truthAsked(truth: Oracle[string] | undefined, asks: string | undefined): string | undefined {
  if (truth === undefined) return undefined
  const classes = typeof truth === 'string' ? [truth] : truth
  return asks === undefined ? classes[0] : classes.includes(asks) ? YES : NO
}

function mostCommon(classes: readonly string[]): string | null {
  const counts = new Map<string, number>()
  for (const name of classes) counts.set(name, (counts.get(name) ?? 0) + 1)
  return [...counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1))[0]?.[0] ?? null
}
