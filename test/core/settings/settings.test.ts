import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { readSettings } from '#core/settings'

const schema = z.object({ GYRE_STORE: z.string(), GYRE_PORT: z.coerce.number().int().max(65_535).default(0) })

describe('settings', () => {
  it('are read with their defaults, whatever else the environment holds', () => {
    expect(readSettings(schema, { GYRE_STORE: '/data', HOME: '/root' })).toEqual({ GYRE_STORE: '/data', GYRE_PORT: 0 })
  })

  it.each([
    [{}, /^setting GYRE_STORE: /],
    [{ GYRE_STORE: '/data', GYRE_PORT: '70000' }, /^setting GYRE_PORT: .*65535/],
  ])('are refused in one sentence that names the variable: %j', (env, sentence) => {
    expect(() => readSettings(schema, env)).toThrow(
      expect.objectContaining({ code: 'INVALID_INPUT', message: expect.stringMatching(sentence) as string }) as Error,
    )
  })
})
