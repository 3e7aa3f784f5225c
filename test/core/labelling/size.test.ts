import { expect, it } from 'vitest'
import { checkSize } from '../../../core/labelling/size.ts'

const GIB = 2 ** 30

it('a session of a million images of 256 numbers fits into a machine of 8 GiB', () => {
  expect(() => checkSize({ images: 1_000_000, dims: 256 }, 8 * GIB)).not.toThrow()
})

it('five million do not, and are refused with the bound and what can be done', () => {
  expect(() => checkSize({ images: 5_000_000, dims: 256 }, 8 * GIB)).toThrow(
    expect.objectContaining({
      code: 'SESSION_TOO_LARGE',
      message:
        '5000000 images of 256 numbers each need 14.1 GiB, and a session may take half of the 8.0 GiB here, 1420293 images; label a part of them first (select-images), or host the session where there is more memory',
    }),
  )
})

it('where memory suffices, five million are served', () => {
  expect(() => checkSize({ images: 5_000_000, dims: 256 }, 64 * GIB)).not.toThrow()
})
