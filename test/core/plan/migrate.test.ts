import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { definePipeline, defineStep } from '#core/pipeline'
import { presentPlan, UnknownPlanFormat } from '#core/plan'
import { buildPlan } from '#core/planning'
import { createRun, readRun } from '#core/runs'
import { createMemoryStore } from '#core/storage'

const code = { pipeline: 'p', bundle: 'b', builtIn: () => 'v' }
const count = defineStep({ name: 'count', input: z.object({}), output: z.object({}), run: () => ({}) })
const plan = buildPlan(
  definePipeline({ name: 'own', params: z.object({}), build: ({ step }) => void step('count', count, {}) }),
  {},
  code,
)

describe('presentPlan', () => {
  it('reads a plan of format 1 as what it says, under the digest that it was made with', () => {
    expect(plan.format).toBe(1)
    expect(presentPlan(JSON.parse(JSON.stringify(plan)))).toEqual({ ...plan, format: 2 })
  })

  it('leaves a plan of the present format as it is', () => {
    const present = { ...plan, format: 2 as const }
    expect(presentPlan(present)).toBe(present)
  })

  it.each([
    [
      { ...plan, format: 3 },
      'the plan has format 3, this version of Gyre reads 1 to 2; use the version that made it, or a newer one',
    ],
    [{}, 'this is no plan, since it does not say its format; restore it from a backup'],
    [null, 'this is no plan, since it does not say its format; restore it from a backup'],
    [{ format: '1' }, 'this is no plan, since it does not say its format; restore it from a backup'],
  ])('refuses what it cannot read: %#', (stored, message) => {
    expect(() => presentPlan(stored)).toThrow(new UnknownPlanFormat(message))
  })
})

describe('a run in the store', () => {
  const run = (format: number) => ({ run: 'r', plan: { ...plan, format } as never, by: 'ada', startedAt: '2026-01-01' })

  it('is read whichever format its plan has', async () => {
    const store = createMemoryStore()
    await createRun(store, run(1))
    expect((await readRun(store, 'r')).plan).toEqual({ ...plan, format: 2 })
  })

  it('is refused in one sentence where a newer version made its plan', async () => {
    const store = createMemoryStore()
    await createRun(store, run(9))
    await expect(readRun(store, 'r')).rejects.toMatchObject({
      code: 'PLAN_FORMAT_UNKNOWN',
      message:
        'run "r": the plan has format 9, this version of Gyre reads 1 to 2; use the version that made it, or a newer one',
    })
  })
})
