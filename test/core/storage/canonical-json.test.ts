import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { canonicalJson, digestJson, sha256Hex } from '#core/storage'

describe('canonical JSON', () => {
  it('sorts keys at every depth and leaves no white space', () => {
    expect(canonicalJson({ b: [2, { d: null, c: 'x' }], a: true })).toBe('{"a":true,"b":[2,{"c":"x","d":null}]}')
  })

  it('counts an undefined property as absent', () => {
    expect(canonicalJson({ a: undefined, b: 1 })).toBe('{"b":1}')
  })

  it('writes minus zero as zero and large numbers as ECMAScript does', () => {
    expect(canonicalJson([-0, 1e21, 0.1])).toBe('[0,1e+21,0.1]')
  })

  it.each([
    [NaN, '$.x[1]'],
    [Infinity, '$.x[1]'],
    [1n, '$.x[1]'],
    [undefined, '$.x[1]'],
    [new Date(0), '$.x[1]'],
    [new Uint8Array(1), '$.x[1]'],
    [new Map(), '$.x[1]'],
  ])('refuses %s, naming its path', (value, path) => {
    expect(() => canonicalJson({ x: [0, value] })).toThrow(
      expect.objectContaining({ code: 'INVALID_INPUT', details: { path } }),
    )
  })

  it('digests the text in UTF-8', () => {
    expect(digestJson({ a: 'ä' })).toBe(sha256Hex(Buffer.from('{"a":"ä"}', 'utf8')))
    // printf '{}' | sha256sum
    expect(digestJson({})).toBe('44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a')
  })

  it('carries any JSON value, and gives one text however its keys were inserted', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const written = canonicalJson(value)
        expect(canonicalJson(JSON.parse(written))).toBe(written)
        expect(canonicalJson(reversed(value))).toBe(written)
      }),
    )
  })
})

function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, item]) => [key, reversed(item)]),
  )
}
