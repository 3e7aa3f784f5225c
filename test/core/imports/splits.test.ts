import fc from 'fast-check'
import { expect, it } from 'vitest'
import { sha256Hex } from '#core/storage'
import { balanceOf, splitOf } from '../../../core/imports/splits.ts'

const groups = Array.from({ length: 20_000 }, (_, i) => sha256Hex(Buffer.from(`${i}`)))

it('a split depends on the group, the share and the seed alone', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...groups.slice(0, 50)),
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.integer(),
      (group, heldOutShare, seed) => {
        expect(splitOf(group, { heldOutShare, seed })).toBe(splitOf(group, { heldOutShare, seed }))
      },
    ),
  )
  const [one, two] = [1, 2].map((seed) =>
    groups.filter((group) => splitOf(group, { heldOutShare: 0.5, seed }) === 'test'),
  )
  expect(one).not.toEqual(two)
})

it('a larger share holds out more, and never fewer of the same groups', () => {
  const heldOut = (heldOutShare: number): string[] =>
    groups.filter((group) => splitOf(group, { heldOutShare, seed: 7 }) === 'test')
  const [fifth, half] = [heldOut(0.2), new Set(heldOut(0.5))]
  // Four standard deviations of the binomial distribution: 4 · √(20,000 · 0.2 · 0.8) = 226.
  expect(Math.abs(fifth.length - 4_000)).toBeLessThan(226)
  expect(fifth.every((group) => half.has(group))).toBe(true)
})

it('the balance counts classes per split and names those that lie on one side', () => {
  const row = (label: string | null, split: 'train' | 'test') => ({ label, split, images: 1 })
  const rows = [
    row('dent', 'train'),
    row('dent', 'test'),
    row('clean', 'train'),
    row('scratch', 'test'),
    row(null, 'test'),
  ]
  expect(balanceOf(rows)).toEqual({
    train: 2,
    test: 3,
    classes: { clean: { train: 1, test: 0 }, dent: { train: 1, test: 1 }, scratch: { train: 0, test: 1 } },
    warnings: ['class clean has no held-out image', 'class scratch has no image to train on'],
  })
})
