/** Random changes of a dataset, and what they make of a plain model. */
import fc from 'fast-check'
import type { Change } from '#core/datasets'
import { digestOf, factsOf, labelOf, type Model } from './rows.ts'

/** Boxes with coordinates that have few digits, which JSON and `%.17g` write alike. */
const coordinate = fc.integer({ min: 0, max: 64 }).map((n) => n / 4)
const text = fc.oneof(
  fc.constantFrom('dent', 'scratch', 'it\'s "so"', 'a\\u000Bb', 'line\nend', '\u000b\u001f\t', '🔩', 'ü/\u2028\u007f'),
  fc.string({ unit: 'binary', maxLength: 6 }).filter((s) => !/[\0\p{Surrogate}]/u.test(s)),
)
const label = fc.record({
  label: fc.option(text),
  tags: fc.option(fc.uniqueArray(text, { minLength: 1, maxLength: 3 }).map((tags) => tags.sort())),
  attributes: fc.option(
    fc.constantFrom('{"lot":7}', '{"dark":true,"lot":"a \\"b\\""}', '{"angle":0.25,"where":"left"}'),
  ),
  origin: fc.option(fc.constantFrom('human', 'predicted', 'imported')),
  humanSeen: fc.boolean(),
  randomDraw: fc.boolean(),
  excluded: fc.option(fc.constantFrom('broken', 'do not know')),
})
const box = fc.record({
  class: text,
  x: coordinate,
  y: coordinate,
  width: coordinate.map((n) => n + 1),
  height: coordinate.map((n) => n + 1),
  attributes: fc.option(fc.constantFrom('{"occluded":true}')),
  origin: fc.option(fc.constantFrom('human', 'predicted')),
})
export const steps = fc.record({
  add: fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 6 }),
  relabel: fc.array(fc.tuple(fc.integer({ min: 0, max: 40 }), label), { maxLength: 6 }),
  rebox: fc.array(fc.tuple(fc.integer({ min: 0, max: 40 }), fc.array(box, { maxLength: 3 })), { maxLength: 3 }),
  remove: fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 3 }),
})

type Step = typeof steps extends fc.Arbitrary<infer S> ? S : never

/** Does the step to the model, and says it as a change. */
export function apply(model: Model, { add, relabel, rebox, remove }: Step) {
  const change = { facts: new Map(), labels: new Map(), boxes: new Map(), gone: new Set<string>() }
  for (const n of add)
    if (!model.facts.has(digestOf(n))) {
      change.facts.set(digestOf(n), factsOf(n))
      change.labels.set(digestOf(n), labelOf(n, { split: n % 3 === 0 ? 'test' : 'train' }))
    }
  const now = (digest: string) => change.labels.get(digest) ?? model.labels.get(digest)
  for (const [n, said] of relabel)
    if (now(digestOf(n))) change.labels.set(digestOf(n), { ...now(digestOf(n)), ...said })
  for (const [n, boxes] of rebox) if (now(digestOf(n))) change.boxes.set(digestOf(n), boxes)
  for (const digest of remove.map(digestOf))
    if (model.facts.has(digest) && ![change.labels, change.boxes].some((rows) => rows.has(digest)))
      change.gone.add(digest)
  for (const [digest, row] of change.facts) model.facts.set(digest, row)
  for (const [digest, row] of change.labels) model.labels.set(digest, row)
  for (const [digest, boxes] of change.boxes)
    if (boxes.length > 0) model.boxes.set(digest, boxes)
    else model.boxes.delete(digest)
  for (const digest of change.gone) for (const rows of [model.facts, model.labels, model.boxes]) rows.delete(digest)
  return {
    facts: change.facts.values(),
    labels: change.labels.values(),
    boxes: change.boxes,
    gone: change.gone,
  } satisfies Change
}
