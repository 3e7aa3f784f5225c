/**
 * Several labels an image as one label a pair. A session with the task `multi` asks one question per class: which of
 * these show a crack? Its unit is the pair of an image and a class; each pair has one of two labels, `crack: yes` or
 * `crack: no`. Seen so, draws, freezes, audits and certificates of several labels are those of one label, over pairs in
 * place of images. What annotators see, and what is stored of it, speaks of images: screens say in `asks` which class is
 * in question, and are answered `yes` or `no`.
 */

import { PlatformError } from '#core/errors'
import { isAboutScreen, type AnswerEvent, type PlannedScreen, type Round, type SessionEvent } from './rounds.ts'
import type { Answer } from './types.ts'

export const NO = 'no'
export const YES = 'yes'
/** By their code: what a pair's label is. */
export const VERDICTS = [NO, YES] as const

/** Stands for the pair wherever an image's digest would stand. Ascending by digest, then by class. */
export function pairName(digest: string, asked: string): string {
  return `${digest}:${asked}`
}

export function pairLabel(asked: string, verdict: string): string {
  return `${asked}: ${verdict}`
}

/** The two labels of each class, `no` before `yes`, for classes in the order given. */
export function pairLabels(classes: readonly string[]): string[] {
  return classes.flatMap((name) => VERDICTS.map((verdict) => pairLabel(name, verdict)))
}

/** A screen of pairs, as the ledger of a `multi` session and a certificate see it. Others stay as they are. */
export function pairScreen(screen: PlannedScreen): PlannedScreen {
  const { asks } = screen
  if (asks === undefined) return screen
  const label = (verdict: string | null): string | null => verdict && pairLabel(asks, verdict)
  return {
    ...screen,
    proposed: label(screen.proposed),
    images: screen.images.map((image) => pairName(image, asks)),
    secondGuess: screen.secondGuess.map(label),
    gold: screen.gold.map((image) => pairName(image, asks)),
  }
}

/** A round of pairs. The sample of its audit is of pairs already. */
export function pairRound(round: Round): Round {
  return { ...round, screens: round.screens.map(pairScreen) }
}

/** @throws {PlatformError} `SCREEN_INVALID` for an answer that is neither yes nor no. */
export function pairAnswer<A extends Pick<Answer, 'class' | 'misfits'>>(answer: A, asked: string): A {
  const label = (verdict: string | null): string | null => {
    if (verdict !== null && verdict !== YES && verdict !== NO)
      throw new PlatformError(
        'SCREEN_INVALID',
        `"${verdict}" is no answer to whether an image shows "${asked}"; answer "${YES}" or "${NO}"`,
      )
    return verdict && pairLabel(asked, verdict)
  }
  const misfits = answer.misfits.map((misfit) => ({
    ...misfit,
    image: pairName(misfit.image, asked),
    class: label(misfit.class),
  }))
  return { ...answer, class: label(answer.class), misfits }
}

/**
 * Events of pairs, as they lie behind events of images.
 *
 * @param classes - of the session.
 * @param asks - the class that a screen asks for; undefined for one that is not known.
 */
export function pairEvents(
  event: SessionEvent,
  classes: readonly string[],
  asks: (screen: string) => string | undefined,
): readonly SessionEvent[] {
  if (event.type === 'answer') {
    const asked = asks(event.screen)
    return asked === undefined ? [] : [pairAnswer<AnswerEvent>(event, asked)]
  }
  if (isAboutScreen(event)) return [event]
  if (event.type === 'image-removed') return classes.map((name) => ({ ...event, image: pairName(event.image, name) }))
  if (event.type === 'class-removed')
    return VERDICTS.map((verdict) => ({ ...event, name: pairLabel(event.name, verdict), into: null }))
  if (event.type === 'requested') {
    const asked = event.proposed === null ? classes : [event.proposed]
    return asked.map((name) => ({
      ...event,
      images: event.images.map((image) => pairName(image, name)),
      proposed: null,
    }))
  }
  return []
}
