import { describe, expect, it } from 'vitest'
import { chooseEmbedder } from '#core/embedding'
import { componentsFor } from '../../../core/embedding/choice.ts'

describe('the choice of an embedder', () => {
  it('is patches where nothing is said', () => {
    expect(chooseEmbedder(undefined)).toEqual({ fitted: ['patches'], file: null, count: 1 })
    expect(chooseEmbedder('fitted')).toEqual(chooseEmbedder('patches'))
  })

  it('is the trained embedder alone where only that is given', () => {
    expect(chooseEmbedder(undefined, true)).toEqual({ fitted: [], file: null, count: 1 })
  })

  it('holds several names in their order, each once', () => {
    expect(chooseEmbedder('hog + patches+hog').fitted).toEqual(['hog', 'patches'])
    expect(chooseEmbedder(['colour', 'fitted+hog']).fitted).toEqual(['colour', 'patches', 'hog'])
  })

  it('takes a path that holds a "+" as one file', () => {
    expect(chooseEmbedder('/models/a+b.onnx')).toEqual({ fitted: [], file: '/models/a+b.onnx', count: 1 })
    expect(chooseEmbedder(['/models/a+b.onnx', 'hog'])).toEqual({ fitted: ['hog'], file: '/models/a+b.onnx', count: 2 })
  })

  it.each([
    ['two files', () => chooseEmbedder(['a.onnx', 'b.onnx']), 'a.onnx and b.onnx'],
    ['a file and a trained one', () => chooseEmbedder('a.onnx', true), 'a.onnx and the trained embedder'],
  ])('refuses %s', (_what, choose, said) => {
    expect(choose).toThrow(expect.objectContaining({ code: 'EMBEDDER_INVALID' }))
    expect(choose).toThrow(said)
  })
})

describe('how many components are kept', () => {
  const of = (model: string, given: { whiten?: number; images?: number; dims?: number }) =>
    componentsFor(chooseEmbedder(model), { whiten: undefined, images: 1_000, dims: 1_600, ...given })

  it('is what was asked for', () => expect(of('hog+colour', { whiten: 64 })).toBe(64))
  it('is all of them of one embedder of few images', () => expect(of('patches', {})).toBeNull())
  it('is 256 of several', () => expect(of('patches+hog', {})).toBe(256))
  it('is 256 of whitened patches, which are long', () => expect(of('whitened-patches', {})).toBe(256))
  it('is 256 of a long embedding of very many images, which would not fit in memory', () => {
    expect(of('patches', { images: 1_000_000 })).toBe(256)
    expect(of('patches', { images: 1_000_000, dims: 200 })).toBeNull()
  })
})
