import { beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { Json, Plan, PlanNode } from '#core/plan'
import { dropDamagedBlob, keepCode, remember, resolveNode, type Resolution, type ResolvePorts } from '#core/reuse'
import { createRun, readNode, recordNode, type RunBase } from '#core/runs'
import { approve, type StepDefinition } from '#core/steps'
import { blobKey, createMemoryStore, putBlob, type ObjectStore } from '#core/storage'

const add: StepDefinition = {
  name: 'add',
  kind: 'activity',
  input: z.object({ k: z.int(), to: z.unknown().optional() }),
  output: z.unknown(),
  policy: { queue: 'cpu', timeout: '1m' },
}

let store: ObjectStore
let ports: ResolvePorts
let code: string
beforeEach(() => {
  store = createMemoryStore()
  code = 'c1'
  const steps = new Map([add, approve].map((step) => [step.name, step as StepDefinition]))
  ports = { store, steps, codeVersion: (step) => (step === 'add' ? code : 'unversioned') }
})

function node(extra: Partial<PlanNode> = {}): PlanNode {
  return {
    id: 'a',
    step: 'add',
    kind: 'activity',
    input: {},
    needs: [],
    when: null,
    policy: { queue: 'cpu', timeoutMs: 1_000, attempts: 1, cache: true },
    codeVersion: code,
    bundle: null,
    ...extra,
  }
}

const plan: Plan = { format: 2, pipeline: 'p', codeVersion: 'v', params: {}, nodes: [], digest: '0' }
const open = (run: string, links: { basedOn?: RunBase; comparedWith?: string } = {}) =>
  createRun(store, { run, plan, by: 'ada', startedAt: '2026-01-01T00:00:00.000Z', ...links })
const basedOn = (run: string, forced: string[] = []): { basedOn: RunBase } => ({
  basedOn: { kind: 'rerun', run, forced },
})

/** Carries a node out as the engine does. */
async function carryOut(run: string, one: PlanNode, given: Json, output: Json): Promise<Resolution> {
  const resolution = await resolveNode(ports, run, one, given, { ranBefore: false })
  if (resolution.kind !== 'run') return resolution
  const { key, reason, basis } = resolution
  const times = { startedAt: '2026-01-01T00:00:00.000Z', endedAt: '2026-01-01T00:00:01.000Z' }
  await recordNode(store, run, one.id, {
    output,
    origin: 'ran',
    key,
    attempts: 1,
    reason,
    ...times,
    ...(basis && { basis }),
  })
  if (key) await remember(store, key, { output, run, node: one.id })
  return resolution
}

const told = (resolution: Resolution): string =>
  resolution.kind === 'found'
    ? `${resolution.origin}: ${resolution.reason}`
    : resolution.kind === 'run'
      ? `run: ${resolution.reason}`
      : resolution.message

describe('a node of a plain run', () => {
  it('runs first, is recovered in the same run, and a hit in the next', async () => {
    await open('one')
    expect(told(await carryOut('one', node(), { k: 1 }, 1))).toBe('run: no earlier result')
    expect(told(await carryOut('one', node(), { k: 1 }, 2))).toBe('recovered: kept from before')
    expect(told(await carryOut('two', node(), { k: 1 }, 2))).toBe('hit: same code, inputs and parameters as one')
    expect(await readNode(store, 'two', 'a')).toMatchObject({ origin: 'hit', output: 1, basis: { values: { k: 1 } } })
  })

  it('says which input changed, from what to what', async () => {
    await open('one')
    await open('two', { comparedWith: 'one' })
    await carryOut('one', node(), { k: 20, to: 'x' }, 1)
    expect(told(await carryOut('two', node(), { k: 30 }, 1))).toBe('run: input k: 20 → 30; input to: no longer given')
  })

  it('names the node whose other result reaches it, where that is no value for people', async () => {
    await open('one')
    await open('two', { comparedWith: 'one' })
    const reads = node({ input: { k: 1, to: { $ref: 'fetch', path: [] } } })
    const table = (n: number) => ({ kind: 'table', blob: { sha256: `${n}`.repeat(64), sizeBytes: 3 } })
    await carryOut('one', reads, { k: 1, to: table(1) }, 1)
    expect(told(await carryOut('two', reads, { k: 1, to: table(2) }, 1))).toBe(
      'run: input to: fetch gave another result',
    )
  })

  it('names the files whose change made its code another one', async () => {
    await open('one')
    await open('two', { comparedWith: 'one' })
    await keepCode(store, 'c1', { files: { 'core/embedding/patch.ts': '1', 'core/images/decode.ts': '1' } })
    await keepCode(store, 'c2', { files: { 'core/embedding/patch.ts': '2', 'core/images/decode.ts': '1' } })
    await carryOut('one', node(), { k: 1 }, 1)
    code = 'c2'
    expect(told(await carryOut('two', node(), { k: 1 }, 1))).toBe('run: code of step changed: core/embedding/patch.ts')
  })

  it('leaves ignored inputs out of its key, and takes the salt in', async () => {
    const policy = { ...node().policy, ignore: ['to'] }
    await carryOut('one', node({ policy }), { k: 1, to: 'x' }, 1)
    expect(told(await carryOut('two', node({ policy }), { k: 1, to: 'y' }, 1))).toMatch(/^hit/)
    await open('three', { comparedWith: 'one' })
    const salted = node({ policy: { ...policy, salt: 'b' } })
    expect(told(await carryOut('three', salted, { k: 1, to: 'x' }, 1))).toBe('run: salt: none → b')
  })

  it('runs with newer code than its plan, and offers the result to nobody', async () => {
    const planned = node()
    code = 'c2'
    const resolution = await carryOut('one', planned, { k: 1 }, 1)
    expect(resolution).toMatchObject({ kind: 'run', key: null, basis: { codeVersion: 'c2' } })
    expect(told(resolution)).toBe('run: runs with newer code than the plan was made with')
  })

  it('refuses an input that does not fit, and a step that does not exist', async () => {
    expect(told(await resolveNode(ports, 'one', node(), { k: 'x' }))).toMatch(/^input k: /)
    expect(told(await resolveNode(ports, 'one', node({ step: 'nope' }), {}))).toBe('there is no step "nope"')
  })
})

describe('an artifact that is not as it was', () => {
  const bytes = new Uint8Array([1, 2, 3])
  const other = new Uint8Array([9])

  async function replace(sha256: string, content: Uint8Array | null): Promise<void> {
    await store.delete(blobKey(sha256))
    if (content) await store.create(blobKey(sha256), content)
  }

  for (const [word, content] of [
    ['gone', null],
    ['damaged', other],
  ] as const)
    it(`makes the node compute again when it is ${word}, in the next run and after a resume`, async () => {
      const blob = await putBlob(store, bytes)
      await carryOut('one', node(), { k: 1 }, { blob: { ...blob } })
      await replace(blob.sha256, content)
      const again = await resolveNode(ports, 'two', node(), { k: 1 })
      expect(told(again)).toBe(`run: an equal result exists, but its artifact is ${word}`)
      expect(told(await resolveNode(ports, 'one', node(), { k: 1 }))).toBe(
        'run: an equal result exists in one, but its artifact is gone',
      )
      expect(await store.head(blobKey(blob.sha256))).toBeNull()
      expect(await readNode(store, 'one', 'a')).toBeNull()
    })

  it('is dropped with every result that names it once a step has read its damaged bytes', async () => {
    const blob = await putBlob(store, bytes)
    await carryOut('one', node(), { k: 1 }, { blob: { ...blob } })
    await carryOut('one', node({ id: 'b' }), { k: 2 }, 2)
    expect(await dropDamagedBlob(store, 'one', blob.sha256)).toEqual([])
    await replace(blob.sha256, new Uint8Array([3, 2, 1]))
    expect(await dropDamagedBlob(store, 'one', blob.sha256)).toEqual(['a'])
    expect((await resolveNode(ports, 'one', node(), { k: 1 })).kind).toBe('run')
    expect((await resolveNode(ports, 'one', node({ id: 'b' }), { k: 2 })).kind).toBe('found')
  })
})

describe('a node of a run that is based on another', () => {
  const uncached = () => node({ policy: { ...node().policy, cache: false } })

  it('takes over an equal result, also one that is never cached', async () => {
    await carryOut('base', uncached(), { k: 1 }, 1)
    await open('re', basedOn('base'))
    const resolution = await resolveNode(ports, 're', uncached(), { k: 1 }, { ranBefore: false })
    expect(told(resolution)).toBe('reused: as in base')
    expect(await readNode(store, 're', 'a')).toMatchObject({ origin: 'reused', output: 1 })
  })

  it('runs one that is never cached when something before it ran', async () => {
    await carryOut('base', uncached(), { k: 1 }, 1)
    await open('re', basedOn('base'))
    const resolution = await resolveNode(ports, 're', uncached(), { k: 1 }, { ranBefore: true })
    expect(told(resolution)).toBe('run: something before it ran')
  })

  it('runs a forced one, and lets its new result be remembered', async () => {
    await carryOut('base', node(), { k: 1 }, 1)
    await open('re', basedOn('base', ['a']))
    expect(told(await carryOut('re', node(), { k: 1 }, 2))).toBe('run: asked for')
    expect(await resolveNode(ports, 'next', node(), { k: 1 })).toMatchObject({ origin: 'hit', output: 2 })
  })

  it('says what differs from the base', async () => {
    await carryOut('base', node(), { k: 1 }, 1)
    await open('re', basedOn('base'))
    expect(told(await resolveNode(ports, 're', node(), { k: 2 }))).toBe('run: input k: 1 → 2')
  })

  it('keeps an approval of equal bytes whatever ran before, and asks again for others', async () => {
    const asks = node({ step: 'approve', kind: 'approve', codeVersion: 'unversioned', policy: uncached().policy })
    await carryOut('base', asks, { subject: { model: 'm1' }, deadline: '1d' }, { approved: true })
    await open('re', basedOn('base'))
    const given = (model: string): Json => ({ subject: { model }, deadline: '2d' })
    expect(told(await resolveNode(ports, 're', asks, given('m2'), { ranBefore: true }))).toBe(
      'run: input subject: {"model":"m1"} → {"model":"m2"}',
    )
    expect(told(await resolveNode(ports, 're', asks, given('m1'), { ranBefore: true }))).toBe(
      'reused: approved in base, and its subject is the same',
    )
  })

  it('asks again where an approval names nothing and something before it ran', async () => {
    const asks = node({ step: 'approve', kind: 'approve', codeVersion: 'unversioned', policy: uncached().policy })
    await carryOut('base', asks, { subject: null }, { approved: true })
    await open('re', basedOn('base'))
    expect((await resolveNode(ports, 're', asks, { subject: null }, { ranBefore: true })).kind).toBe('run')
    expect((await resolveNode(ports, 're', asks, { subject: null }, { ranBefore: false })).kind).toBe('found')
  })
})
