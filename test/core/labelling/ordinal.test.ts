import { expect, it } from 'vitest'
import type { LookResult } from '../../../core/labelling/certificate.ts'
import { besideBest, orderAgreement, quadraticKappa } from '../../../core/labelling/ordinal.ts'

it('a second guess lies beside the first, on the side of the class held second', () => {
  const prediction = { best: Int32Array.of(0, 3, 1, 2), second: Int32Array.of(3, 0, 2, -1) }
  expect([...besideBest(prediction, [0, 1, 2, 3]).second]).toEqual([1, 2, 2, -1])
  // A class was removed: its neighbours are neighbours of each other.
  expect([...besideBest(prediction, [0, 2, 3]).second]).toEqual([2, 2, 2, -1])
})

it('quadratic kappa agrees with the figures computed by hand', () => {
  // Rows 2, 2; columns 1, 3; one disagreement of weight 1; expected (2·3 + 2·1)/4 = 2.
  expect(quadraticKappa([[0, 0], [0, 1], [1, 1], [1, 1]], 2)).toBeCloseTo(0.5, 12) // prettier-ignore
  // A disagreement over two steps weighs four: expected (1·2·4 + 1·1·1 + 1·2·1 + 1·1·4)/3 = 5.
  expect(quadraticKappa([[0, 2], [1, 0], [2, 2]], 3)).toBeCloseTo(1 - 5 / 5, 12) // prettier-ignore
  expect(quadraticKappa([[0, 0], [2, 2], [1, 1]], 3)).toBe(1) // prettier-ignore
  expect(quadraticKappa([[1, 1], [1, 1]], 3)).toBeNull() // prettier-ignore
})

it('the sample of an audit says how many wrong labels are one class off', () => {
  const judged = (label: string, said: string | null, i: number) => ({ image: String(i), label, judged: said })
  const said = [
    ['low', 'low'],
    ['low', 'middle'],
    ['high', 'low'],
    ['high', 'high'],
    ['middle', null],
  ] as const
  const look = { sample: said.map(([label, is], i) => judged(label, is, i)) } as unknown as LookResult
  expect(orderAgreement(['low', 'middle', 'high'], [look])).toMatchObject({
    ...{ images: 4, wrong: 2, adjacent: 1, withinOne: 0.75 },
  })
  expect(orderAgreement(['low', 'high'], [])).toBeNull()
})
