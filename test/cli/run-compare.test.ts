import { stripVTControlCharacters } from 'node:util'
import { expect, test } from 'vitest'
import type { ComparedStep, RunComparison, RunHead } from '#core/runs'
import { comparisonText } from '../../apps/cli/verbs/run-compare.ts'

const head = (id: string): RunHead => ({
  ...{ id, pipeline: 'image-classifier', status: 'completed', by: 'ada' },
  ...{ startedAt: '2026-03-02T10:00:00.000Z', endedAt: '2026-03-02T10:01:05.000Z' },
})
const done = (changes: Partial<ComparedStep> = {}): ComparedStep => ({
  ...{ step: 'train', status: 'completed', origin: 'ran', tookMs: 1_200, reason: null },
  ...changes,
})
const same: RunComparison = {
  a: head('one'),
  b: head('two'),
  samePlan: true,
  params: [{ name: 'epochs', a: 3, b: 3 }],
  steps: [{ name: 'train', a: done(), b: done({ origin: 'hit', tookMs: null }), output: 'same', why: [], figures: [] }],
}
const text = (comparison: RunComparison): string => stripVTControlCharacters(comparisonText(comparison))

test('runs that agree are told in a few lines', () => {
  expect(text(same)).toBe(
    [
      'one  image-classifier  completed  65.0 s',
      'two  image-classifier  completed  65.0 s',
      '',
      'The same plan.',
      '',
      'The same parameters.',
      '',
      'step   output  one        two',
      'train  same    ran 1.2 s  hit',
    ].join('\n'),
  )
})

test('what differs is told with its figures, and why', () => {
  const told = text({
    ...same,
    samePlan: false,
    params: [{ name: 'epochs', a: 3, b: 5 }],
    steps: [
      {
        name: 'train',
        a: done(),
        b: done(),
        output: 'different',
        why: ['input epochs: 3 → 5'],
        figures: [
          { name: 'accuracy', a: 0.9, b: 0.95 },
          { name: 'images', a: 240, b: 240 },
        ],
      },
    ],
  })
  expect(told).toContain(['parameter  one  two', 'epochs     3    5'].join('\n'))
  expect(told).toContain(['figure          one  two   change', 'train.accuracy  0.9  0.95  +0.05'].join('\n'))
  expect(told).toContain('Why\n train: input epochs: 3 → 5')
  expect(told).not.toContain('images')
})
