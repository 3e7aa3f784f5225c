import { describe, expect, it } from 'vitest'
import { conditionText, holds, mermaidOf, resolveInput, type Condition, type Json } from '#core/plan'

const outputs: Record<string, Json> = { eval: { accuracy: 0.97, good: true, interval: [0.95, 0.98] }, other: 3 }
const output = (id: string): Json => outputs[id] ?? null
const ref = (id: string, ...path: string[]): { $ref: string; path: string[] } => ({ $ref: id, path })

describe('resolveInput', () => {
  it('puts outputs in place of references, however deep', () => {
    const input = { a: [ref('other'), { b: ref('eval', 'accuracy') }], c: 'text', d: ref('eval', 'interval', '1') }
    expect(resolveInput(input, output)).toEqual({ a: [3, { b: 0.97 }], c: 'text', d: 0.98 })
  })

  it('reads a field that a step left out as null', () => {
    expect(resolveInput({ a: ref('eval', 'nothing', 'deeper') }, output)).toEqual({ a: null })
  })
})

describe('holds', () => {
  const good: Condition = { kind: 'is', ref: ref('eval', 'good') }
  const high: Condition = { kind: 'at-least', ref: ref('eval', 'accuracy'), bound: 0.97 }

  it.each<[string, Condition, boolean]>([
    ['a true reference', good, true],
    ['a reference that is not a boolean', { kind: 'is', ref: ref('other') }, false],
    ['a number at its bound', high, true],
    ['a number below its bound', { ...high, bound: 0.98 }, false],
    ['a negation', { kind: 'not', of: good }, false],
    ['all of true and false', { kind: 'all', of: [good, { kind: 'not', of: high }] }, false],
    ['any of true and false', { kind: 'any', of: [good, { kind: 'not', of: high }] }, true],
  ])('%s', (_, condition, expected) => {
    expect(holds(condition, output)).toBe(expected)
  })

  it('reads as a sentence', () => {
    expect(conditionText({ kind: 'all', of: [good, { kind: 'not', of: high }] })).toBe(
      '(eval.good and not eval.accuracy ≥ 0.97)',
    )
  })
})

describe('mermaidOf', () => {
  it('draws each arrow once', () => {
    const node = (id: string, needs: string[]): never =>
      ({ id, step: id, kind: 'activity', input: {}, needs, when: null, codeVersion: '', bundle: null }) as never
    const plan = {
      format: 1,
      pipeline: 'p',
      codeVersion: '',
      params: {},
      nodes: [node('a', []), node('b', ['a'])],
      digest: '',
    } as const
    expect(mermaidOf(plan)).toBe('flowchart TD\n  n0["a<br/>a"]\n  n1["b<br/>b"]\n  n0 --> n1')
  })
})
