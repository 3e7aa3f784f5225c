import { describe, expect, it } from 'vitest'
import { parseParams } from '../../apps/cli/params.ts'

const schema = {
  type: 'object',
  properties: {
    dataset: { type: 'string' },
    classes: { type: 'array', items: { type: 'string' } },
    seed: { type: 'integer' },
    askBeforeDeploy: { type: 'boolean' },
  },
}

describe('parameters on the command line', () => {
  it('take the types that the pipeline declares', () => {
    const pairs = ['dataset=123', 'classes=good, bad', 'seed=9', 'askBeforeDeploy=true']
    expect(parseParams(pairs, schema)).toEqual({
      dataset: '123',
      classes: ['good', 'bad'],
      seed: 9,
      askBeforeDeploy: true,
    })
  })

  it('keep what follows the first equals sign', () => {
    expect(parseParams(['dataset=a=b'], schema)).toEqual({ dataset: 'a=b' })
  })

  it('take lists as JSON too, for items with commas', () => {
    expect(parseParams(['classes=["a, b","c"]'], schema)).toEqual({ classes: ['a, b', 'c'] })
  })

  it('pass unknown ones on, so that the pipeline refuses them by name', () => {
    expect(parseParams(['wrong=yes'], schema)).toEqual({ wrong: 'yes' })
  })

  it('are refused without an equals sign', () => {
    expect(() => parseParams(['seed'], schema)).toThrow(
      expect.objectContaining({ code: 'INVALID_INPUT', message: expect.stringContaining('"seed"') as string }),
    )
  })
})
