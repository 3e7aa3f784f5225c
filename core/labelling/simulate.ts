/** An annotator that knows the truth and never overlooks a misfit: for demonstrations, tests and benchmarks. */

import { readFile } from 'node:fs/promises'
import { isPlatformError, PlatformError } from '#core/errors'
import type { Answer, Misfit, Screen, SessionHost } from './types.ts'

/** Class of each image by digest. */
export type Oracle = Readonly<Record<string, string>>

/** @throws {PlatformError} `INVALID_INPUT` when the file is not JSON {image digest: class}. */
export async function readOracle(path: string): Promise<Oracle> {
  const parsed = await readFile(path, 'utf8')
    .then((text) => JSON.parse(text) as unknown)
    .catch((cause: unknown) => {
      throw new PlatformError('INVALID_INPUT', `the oracle ${path} cannot be read as JSON`, { path }, { cause })
    })
  if (typeof parsed === 'object' && parsed !== null && Object.values(parsed).every((v) => typeof v === 'string'))
    return parsed as Oracle
  throw new PlatformError('INVALID_INPUT', `the oracle ${path} is not an object {image digest: class}`, { path })
}

/** Answers screens until there are none. An image that the oracle does not know is marked "do not know". */
export async function simulateAnnotator(host: SessionHost, oracle: Oracle, annotator = 'simulated'): Promise<void> {
  try {
    for (;;) {
      const screens = await host.next(annotator, 8)
      if (screens.length === 0) return
      for (const screen of screens) await host.submit(simulatedAnswer(screen, oracle, annotator))
    }
  } catch (error) {
    // Somebody stopped the session between two answers.
    if (!isPlatformError(error) || error.code !== 'SESSION_CLOSED') throw error
  }
}

/** The proposed class, else the one that most images of the screen have; the others are misfits with their own. */
export function simulatedAnswer(screen: Screen, oracle: Oracle, annotator: string): Omit<Answer, 'at'> {
  const chosen = screen.proposed ?? mostCommon(screen.images.flatMap((image) => oracle[image] ?? []))
  const misfits = screen.images.flatMap((image): Misfit[] => {
    const truth = oracle[image]
    if (truth === undefined) return [{ image, class: null, why: 'unsure' }]
    return truth === chosen ? [] : [{ image, class: truth }]
  })
  return { screen: screen.id, annotator, class: chosen, misfits, activeMs: null }
}

function mostCommon(classes: readonly string[]): string | null {
  const counts = new Map<string, number>()
  for (const name of classes) counts.set(name, (counts.get(name) ?? 0) + 1)
  return [...counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1))[0]?.[0] ?? null
}
