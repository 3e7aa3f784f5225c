/** Random graphs for the fault suite, and what a run of one must give, computed without any engine. */

import fc from 'fast-check'

export interface ShapeNode {
  readonly id: string
  /** `map` is a map over 5 + k items whose rows a second node adds up. */
  readonly kind: 'plain' | 'quick' | 'map' | 'approve'
  readonly needs: readonly string[]
  readonly k: number
  readonly waitMs: number
  readonly cache: boolean
  readonly when: { readonly need: string; readonly is: 'even' | 'odd' | 'at-least'; readonly bound: number } | null
  /** `flaky` fails twice and is retried; `broken` fails the run until it is mended and resumed. */
  readonly trouble: 'none' | 'flaky' | 'broken'
}

export type Shape = readonly ShapeNode[]

const draft = fc.record({
  kind: fc.constantFrom('plain', 'plain', 'plain', 'plain', 'quick', 'quick', 'quick', 'map', 'approve'),
  // Three of four nodes need something: chains, diamonds and joins come of it.
  needs: fc.array(fc.nat(), { maxLength: 3 }),
  k: fc.nat(9),
  waitMs: fc.nat(60),
  cache: fc.boolean(),
  when: fc.option(fc.record({ need: fc.nat(), is: fc.constantFrom('even', 'odd', 'at-least'), bound: fc.nat(30) }), {
    freq: 3,
  }),
  trouble: fc.constantFrom(...Array<'none'>(14).fill('none'), 'flaky', 'broken'),
})

/** Two to eight nodes; each needs only earlier ones. */
export const shapes: fc.Arbitrary<Shape> = fc.array(draft, { minLength: 2, maxLength: 8 }).map((drafts) =>
  drafts.map(({ kind, needs, when, trouble, ...rest }, index) => {
    const before = index === 0 ? [] : [...new Set(needs.map((need) => `n${need % index}`))]
    const asks = kind === 'approve' && before.length > 0
    const depends = when && before.length > 0 ? { ...when, need: before[when.need % before.length]! } : null
    return {
      ...rest,
      id: `n${index}`,
      kind: asks ? 'approve' : kind === 'approve' ? 'plain' : kind,
      needs: asks ? before.slice(0, 1) : before,
      when: depends && asks ? { ...depends, need: before[0]! } : depends,
      trouble: asks ? 'none' : trouble,
    }
  }),
)

export type Expected = { readonly status: 'skipped' } | { readonly status: 'completed'; readonly value: number }

/** What every node of a run must end as. */
export function evaluate(shape: Shape): ReadonlyMap<string, Expected> {
  const ended = new Map<string, Expected>()
  for (const node of shape) ended.set(node.id, expectedOf(node, ended))
  return ended
}

/** The node whose result stands for this one: an approval passes its subject on. */
export function resultOf(shape: Shape, id: string): string {
  const { kind, needs } = shape.find((node) => node.id === id)!
  return kind === 'approve' ? resultOf(shape, needs[0]!) : id
}

function expectedOf({ kind, needs, k, when }: ShapeNode, ended: ReadonlyMap<string, Expected>): Expected {
  const values: number[] = []
  for (const need of needs) {
    const before = ended.get(need)!
    if (before.status === 'skipped') return before
    values.push(before.value)
  }
  if (when && !holds(when, values[needs.indexOf(when.need)]!)) return { status: 'skipped' }
  if (kind === 'approve') return { status: 'completed', value: values[0]! }
  const mapped = kind === 'map' ? squares(5 + k) : 0
  return { status: 'completed', value: values.reduce((sum, one) => sum + one, k) + mapped }
}

function holds({ is, bound }: NonNullable<ShapeNode['when']>, value: number): boolean {
  if (is === 'at-least') return value >= bound
  return (value % 2 === 0) === (is === 'even')
}

/** The sum over items 0, 1, 2 … of their squares, without every seventh one, which fails. */
function squares(items: number): number {
  let sum = 0
  for (let n = 0; n < items; n += 1) if (n % 7 !== 3) sum += n * n
  return sum
}
