import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  commitChange,
  commitLabels,
  mergeVersions,
  openVersion,
  readManifest,
  resolveVersion,
  versionHistory,
  type Conflicts,
  type ImageLabel,
  type MergeOptions,
} from '#core/datasets'
import { canonicalJson, createMemoryStore, type ObjectStore } from '#core/storage'
import { apply, steps } from './changes.ts'
import { boxOf, commitModel, digestOf, emptyModel, factsOf, labelOf, modelOf, rules, type Model } from './rows.ts'

const by = { by: 'ada', note: '' }
const human = { origin: 'human', humanSeen: true } as const

function same(one: unknown, other: unknown): boolean {
  return canonicalJson(one ?? null) === canonicalJson(other ?? null)
}

/** One field: what one side changed wins, else the side that the policy says. */
function pick<T>(base: T, ours: T, theirs: T, side: 'ours' | 'theirs'): T {
  if (same(ours, base)) return theirs
  if (same(theirs, base)) return ours
  return side === 'ours' ? ours : theirs
}

/** The merge as plain objects say it. */
function mergedModel(base: Model, ours: Model, theirs: Model, side: 'ours' | 'theirs'): Model {
  const merged = emptyModel()
  const saidOf = ({ labels, boxes }: Model, digest: string) =>
    labels.has(digest) ? { ...labels.get(digest)!, boxes: boxes.get(digest) ?? null } : null
  for (const digest of new Set([...ours.facts.keys(), ...theirs.facts.keys()])) {
    const [b, o, t] = [base, ours, theirs].map((model) => saidOf(model, digest))
    let said = o ?? t!
    if (o && t) {
      const all = <K extends keyof typeof o>(field: K) => pick(b?.[field], o[field], t[field], side)!
      const group = ({ label, origin, humanSeen, randomDraw }: ImageLabel) => ({ label, origin, humanSeen, randomDraw })
      const [bg, og, tg] = [b && group(b), group(o), group(t)]
      const bothTouched = !same(og, bg) && !same(tg, bg)
      const rank = [null, 'predicted', 'inferred', 'imported', 'human']
      const strongest = rank.indexOf(t.origin) > rank.indexOf(o.origin) ? t.origin : o.origin
      const label =
        bothTouched && o.label === t.label
          ? {
              ...og,
              origin: strongest,
              humanSeen: o.humanSeen || t.humanSeen,
              randomDraw: o.randomDraw || t.randomDraw,
            }
          : pick(bg, og, tg, side)!
      said = { ...o, ...label, tags: all('tags'), excluded: all('excluded'), boxes: all('boxes') }
      said = { ...said, attributes: mergedAttributes(b?.attributes ?? null, o.attributes, t.attributes, side) }
    } else if (b) {
      const winner = same(o ?? t, b) ? null : side === 'ours' ? o : t
      if (!winner) continue
      said = winner
    }
    const { boxes, ...label } = said
    merged.facts.set(digest, (ours.facts.get(digest) ?? theirs.facts.get(digest))!)
    merged.labels.set(digest, label)
    if (boxes) merged.boxes.set(digest, boxes)
  }
  return merged
}

function mergedAttributes(base: string | null, ours: string | null, theirs: string | null, side: 'ours' | 'theirs') {
  const [b, o, t] = [base, ours, theirs].map((text) => JSON.parse(text ?? '{}') as Record<string, unknown>)
  const merged: Record<string, unknown> = {}
  for (const key of [...Object.keys(o!), ...Object.keys(t!)]) {
    const value = pick(b![key], o![key], t![key], side)
    if (value !== undefined) merged[key] = value
  }
  return Object.keys(merged).length === 0 ? null : canonicalJson(merged)
}

function copyOf({ facts, labels, boxes }: Model): Model {
  return { facts: new Map(facts), labels: new Map(labels), boxes: new Map(boxes) }
}

describe('a merge', () => {
  it('of any two branches holds what a plain model holds, whichever side is which', async () => {
    await fc.assert(
      fc.asyncProperty(steps, steps, steps, fc.constantFrom('ours', 'theirs'), async (first, mine, yours, side) => {
        const store = createMemoryStore()
        const model = emptyModel()
        for (let n = 0; n < 41; n += 3) apply(model, { add: [n], relabel: [], rebox: [], remove: [] })
        apply(model, first)
        const base = (await commitModel(store, 'parts', model)).version
        const [ours, theirs] = [copyOf(model), copyOf(model)]
        const commit = async (branch: Model, step: typeof mine) =>
          (await commitChange(store, base, apply(branch, step), { ...by, ref: null })).version.version
        const [a, b] = [await commit(ours, mine), await commit(theirs, yours)]
        const merge = (ours: string, theirs: string, policy: 'ours' | 'theirs') =>
          mergeVersions(store, { dataset: 'parts', ours, theirs }, { policies: [policy], ref: null, ...by })
        const merged = versionIn(await merge(a, b, side))
        expect(await modelOf(store, merged)).toEqual(mergedModel(model, ours, theirs, side))
        expect(await merge(b, a, side === 'ours' ? 'theirs' : 'ours')).toEqual({ version: merged })
      }),
      { numRuns: 8 },
    )
  }, 120_000)

  it('of branches that changed other fields of one image keeps both, without a word', async () => {
    const { store, merged } = await twoBranches(
      labelOf(1, { label: 'dent', ...human }),
      labelOf(1, { tags: ['night'], excluded: 'broken', attributes: '{"lot":7}' }),
      { policies: [] },
    )
    expect((await modelOf(store, versionIn(merged))).labels.get(digestOf(1))).toEqual(
      labelOf(1, { label: 'dent', ...human, tags: ['night'], excluded: 'broken', attributes: '{"lot":7}' }),
    )
  })

  it('tells every conflict that no policy settles, and writes nothing', async () => {
    const { store, merged } = await twoBranches(
      labelOf(1, { label: 'dent', ...human, attributes: '{"lot":1}' }),
      labelOf(1, { label: 'scratch', ...human, attributes: '{"lot":2}' }),
      { policies: ['people'] },
    )
    expect(merged).toEqual({
      total: 2,
      conflicts: [
        { digest: digestOf(1), field: 'attributes.lot', base: null, ours: 1, theirs: 2 },
        {
          digest: digestOf(1),
          field: 'label',
          base: { label: null, origin: null, humanSeen: false, randomDraw: false },
          ours: { label: 'dent', origin: 'human', humanSeen: true, randomDraw: false },
          theirs: { label: 'scratch', origin: 'human', humanSeen: true, randomDraw: false },
        },
      ],
    })
    expect(await versionHistory(store, 'parts')).toHaveLength(2)
  })

  const dent = labelOf(1, { label: 'dent', ...human })
  const guess = labelOf(1, { label: 'scratch', origin: 'predicted' })
  it.each([
    ['ours', [], 'dent'],
    ['theirs', [], 'scratch'],
    ['people', [], 'dent'],
    ['clear', [], null],
    ['theirs', [{ digest: digestOf(1), field: 'label', take: 'ours' }], 'dent'],
    ['ours', [{ digest: digestOf(1), field: 'label', take: 'clear' }], null],
  ] as const)('settles a conflict by %s and decisions %j', async (policy, decisions, label) => {
    const { store, merged } = await twoBranches(dent, guess, { policies: [policy], decisions })
    const row = (await modelOf(store, versionIn(merged))).labels.get(digestOf(1))!
    expect([row.label, row.humanSeen]).toEqual([label, label === 'dent'])
  })

  it('asks whether an image stays that one side removed and the other labelled', async () => {
    const merge = (options: Pick<MergeOptions, 'policies'>) => twoBranches(dent, null, options)
    expect((await merge({ policies: ['people'] })).merged).toMatchObject({
      total: 1,
      conflicts: [{ field: 'presence', theirs: null, ours: { label: { label: 'dent' } } }],
    })
    const [kept, left, cleared] = [
      await merge({ policies: ['ours'] }),
      await merge({ policies: ['theirs'] }),
      await merge({ policies: ['clear'] }),
    ]
    expect((await modelOf(kept.store, versionIn(kept.merged))).labels.get(digestOf(1))).toEqual(dent)
    expect((await modelOf(left.store, versionIn(left.merged))).labels.has(digestOf(1))).toBe(false)
    expect((await modelOf(cleared.store, versionIn(cleared.merged))).labels.get(digestOf(1))).toEqual(labelOf(1))
  })

  it('joins groups that either side joined, and lets none of them lie in both splits', async () => {
    const store = createMemoryStore()
    const names = [1, 2, 3] as const
    const [first, second, third] = names.map(digestOf) as [string, string, string]
    const base = (
      await commitChange(
        store,
        { dataset: 'parts', version: null },
        {
          facts: names.map((n) => factsOf(n)),
          labels: names.map((n) => labelOf(n, { split: n === 3 ? 'train' : 'test' })),
          rules,
        },
        by,
      )
    ).version
    // Ours finds that 1 and 2 look alike, theirs that 2 and 3 do and moves 2 to train; each adds a look-alike of 2.
    const mine = {
      facts: [factsOf(2, { group: first }), factsOf(4, { group: first })],
      labels: [labelOf(4, { split: 'test' })],
    }
    const yours = {
      facts: [factsOf(3, { group: second }), factsOf(5, { group: second })],
      labels: [labelOf(2, { split: 'train' }), labelOf(5, { split: 'train' })],
    }
    await commitChange(store, base, mine, by)
    const { published } = await commitChange(store, base, yours, by)
    const { facts, labels } = await modelOf(store, published)
    expect(facts.size).toBe(5)
    expect(new Set([...facts.values()].map(({ group }) => group))).toEqual(
      new Set([first, second, third].sort().slice(0, 1)),
    )
    expect([...labels.values()].map(({ split }) => split)).toEqual(Array(5).fill('train'))
  })

  it('where one side came from the other is the later one', async () => {
    const { store, base } = await branches()
    const later = await commitLabels(store, base, [dent], by)
    const merge = (theirs: string, ours: string) =>
      mergeVersions(store, { dataset: 'parts', ours, theirs }, { policies: [], ref: null, ...by })
    expect(await merge(later.version, base.version)).toEqual({ version: later })
    expect(await merge(base.version, later.version)).toEqual({ version: later })
  })
})

describe('writers at the same time', () => {
  it('all end up in the dataset, whoever moves latest first', async () => {
    const { store, base } = await branches()
    const writers = [2, 3, 4, 5, 6]
    const made = await Promise.all(
      writers.map((n) =>
        n % 2 === 0
          ? commitLabels(store, base, [labelOf(n, { label: `by ${n}` })], { by: `writer-${n}`, note: '' })
          : commitChange(
              store,
              base,
              { facts: [factsOf(`new ${n}`)], labels: [labelOf(`new ${n}`)] },
              { by: `writer-${n}`, note: '' },
            ),
      ),
    )
    expect(made).toHaveLength(5)
    const latest = await resolveVersion(store, 'parts')
    const { labels } = await modelOf(store, latest)
    expect(writers.filter((n) => n % 2 === 0).map((n) => labels.get(digestOf(n))!.label)).toEqual([
      'by 2',
      'by 4',
      'by 6',
    ])
    expect([labels.has(digestOf('new 3')), labels.has(digestOf('new 5'))]).toEqual([true, true])
    expect((await readManifest(store, 'parts', latest.version)).images).toBe(11)
    const history = await versionHistory(store, 'parts')
    expect(new Set(history.map((entry) => entry.by))).toEqual(new Set(['ada', ...writers.map((n) => `writer-${n}`)]))
  }, 60_000)

  it('that die at any write leave the version before or the one after, and the next attempt makes the same one', async () => {
    const labels = [labelOf(1, { label: 'dent' })]
    for (let survived = 0; ; survived++) {
      const { store, base } = await branches()
      const before = await resolveVersion(store, 'parts')
      let writes = 0
      const dying = new Proxy(store, {
        get(target, property) {
          const value: unknown = Reflect.get(target, property)
          if (typeof value !== 'function') return value
          if (property !== 'create' && property !== 'createFromFile') return value.bind(target) as unknown
          return (key: string, what: never) => {
            if (writes++ === survived) throw new Error('killed')
            return target[property](key, what)
          }
        },
      })
      const made = await commitLabels(dying, base, labels, by).catch(() => null)
      const latest = await resolveVersion(store, 'parts')
      if (made) {
        expect([latest, writes]).toEqual([made, survived])
        break
      }
      expect(latest).toEqual(before)
      const again = await commitLabels(store, base, labels, by)
      expect(await resolveVersion(store, 'parts')).toEqual(again)
      expect(await versionHistory(store, 'parts')).toHaveLength(2)
    }
  }, 60_000)

  it('that may not merge learn that the ref moved, and change nothing', async () => {
    const { store, base } = await branches()
    const later = await commitLabels(store, base, [labelOf(1, { label: 'dent' })], by)
    await expect(
      commitChange(store, base, { labels: [labelOf(2, { label: 'dent' })] }, { ...by, whenMoved: 'fail' }),
    ).rejects.toMatchObject({
      code: 'POINTER_MOVED',
      message: 'latest of parts was moved by somebody else; look again',
    })
    expect(await resolveVersion(store, 'parts')).toEqual(later)
  })
})

async function branches(): Promise<{
  store: ObjectStore
  base: { kind: 'dataset-version'; dataset: string; version: string; images: number }
}> {
  const store = createMemoryStore()
  const names = [1, 2, 3, 4, 5, 6, 7, 8, 9]
  const change = {
    facts: names.map((n) => factsOf(n)),
    labels: names.map((n) => labelOf(n)),
    rules,
    boxes: new Map([[digestOf(9), [boxOf('rim', 1)]]]),
  }
  return { store, base: (await commitChange(store, { dataset: 'parts', version: null }, change, by)).version }
}

/** Ours is published; theirs says something else of image 1, or removes it (null). */
async function twoBranches(
  ours: ImageLabel,
  theirs: ImageLabel | null,
  options: Pick<MergeOptions, 'policies' | 'decisions'>,
): Promise<{ store: ObjectStore; merged: Awaited<ReturnType<typeof mergeVersions>> }> {
  const { store, base } = await branches()
  await commitLabels(store, base, [ours], by)
  const change = theirs ? { labels: [theirs] } : { gone: [digestOf(1)] }
  const { version } = await commitChange(store, base, change, { ...by, ref: null })
  return {
    store,
    merged: await mergeVersions(store, { dataset: 'parts', theirs: version.version }, { ...options, ...by }),
  }
}

function versionIn(merged: Awaited<ReturnType<typeof mergeVersions>>) {
  if ('version' in merged) return merged.version
  throw new Error(`conflicts: ${JSON.stringify((merged satisfies Conflicts).conflicts)}`)
}

it('merges of a store are read by whoever opens them', async () => {
  const { store, merged } = await twoBranches(labelOf(1, { label: 'dent' }), labelOf(2, { label: 'clean' }), {
    policies: [],
  })
  expect(await (await openVersion(store, versionIn(merged))).classes()).toEqual(['clean', 'dent'])
})
