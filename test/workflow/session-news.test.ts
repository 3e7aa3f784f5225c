import { expect, it } from 'vitest'
import type { SessionState } from '#core/labelling'
import { SessionTeller } from '../../workflows/session-news.ts'
import type { SessionMilestone } from '../../workflows/types.ts'

const at = (state: Partial<SessionState>): SessionMilestone => ({
  kind: 'progress',
  state: {
    ...{ session: 'run-1.annotate', status: 'open', images: 200, labelled: 0, screens: 0, misfits: 0 },
    ...{ certified: null, humanSeconds: 0, speedUp: 1, screensLeft: null, pace: { grid: null, control: null } },
    ...{ secondsLeft: null, people: 1, disagreements: 0, classes: ['a', 'b'] },
    ...state,
  },
})

it('a session is told to have opened and ended once, and its progress by tenths', () => {
  const teller = new SessionTeller()
  const told = (state: Partial<SessionState>) => teller.newsOf(at(state)).map(({ kind, mark }) => mark ?? kind)
  expect(told({})).toEqual(['session-opened'])
  expect(told({})).toEqual([])
  expect(told({ labelled: 19 })).toEqual([])
  expect(told({ labelled: 45 })).toEqual(['20%'])
  expect(told({ labelled: 44 })).toEqual([])
  expect(told({ labelled: 200, status: 'certified' })).toEqual(['session-certified'])
  expect(told({ labelled: 200, status: 'certified' })).toEqual([])
})

it('disagreements are told when there are some, and again when there are twice as many', () => {
  const teller = new SessionTeller()
  teller.newsOf(at({}))
  const told = [1, 1, 2, 3, 4, 2, 9].map((disagreements) => teller.newsOf(at({ disagreements })).length)
  expect(told).toEqual([1, 0, 1, 0, 1, 0, 1])
})

it('a session that is stopped or finds no certificate has finished', () => {
  for (const status of ['stopped', 'finished'] as const)
    expect(new SessionTeller().newsOf(at({ status })).map(({ kind }) => kind)).toEqual([
      'session-opened',
      'session-finished',
    ])
})
