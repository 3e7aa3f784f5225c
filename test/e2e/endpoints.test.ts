/** The endpoint verbs on a real stack of one machine: what they move, what they leave, what they refuse. Needs a build. */

import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { encodePixels } from '#core/images'
import { openStore } from '#core/storage'
import { gyre, StateFolders } from '../support/gyre.ts'
import { registerTiny, solidPixels } from '../support/tiny-model.ts'

const folders = new StateFolders()
const LONG_MS = 120_000
const ALGORITHM = `import { z } from 'zod'
import { defineAlgorithm } from 'gyre/algorithm'
export default defineAlgorithm({
  name: 'reddish',
  model: 'm@1',
  params: z.object({ atLeast: z.number().default(0.5) }),
  output: z.object({ red: z.boolean() }),
  async predict(images, { model, params }) {
    return (await model.run(images)).column(0).map((score) => ({ red: score >= params.atLeast }))
  },
})
`
let state: string
let image: Uint8Array

interface Endpoint {
  readonly name: string
  readonly url: string
  readonly revisions: readonly { revision: number; model: { version: number }; wanted: number; percent: number }[]
  readonly history: readonly { by: string; shares: Record<string, number> }[]
}

beforeAll(async () => {
  state = folders.create()
  await folders.startDev(state)
  const store = await openStore(path.join(state, 'objects'))
  for (const sharpness of [0.1, 0.2]) await registerTiny(store, { sharpness })
  image = await encodePixels(solidPixels([9, 0, 0]), { height: 4, width: 4 })
})

afterAll(() => folders.clean())

async function json<T>(...args: string[]): Promise<T> {
  const { code, stdout, stderr } = await gyre([...args, '--state', state, '--json'])
  expect({ code, stderr }).toMatchObject({ code: 0 })
  return JSON.parse(stdout) as T
}

async function refusal(...args: string[]): Promise<{ exit: number | null; code: string }> {
  const { code, stdout } = await gyre([...args, '--state', state, '--json'])
  return { exit: code, code: (JSON.parse(stdout) as { error: { code: string } }).error.code }
}

const shares = ({ revisions }: Endpoint) => Object.fromEntries(revisions.map((one) => [one.revision, one.percent]))

describe('gyre endpoint', () => {
  it('rolls out, tries a canary, promotes it, moves back and deletes', { timeout: LONG_MS }, async () => {
    await json('endpoint', 'rollout', 'parts', 'm@1', '--replicas', '1')
    const first = await json<Endpoint>('endpoint', 'show', 'parts')
    expect(first.revisions).toMatchObject([{ revision: 1, model: { version: 1 }, wanted: 1, percent: 100 }])

    await json('endpoint', 'rollout', 'parts', 'm@2', '--canary', '10')
    const canary = await json<Endpoint>('endpoint', 'show', 'parts')
    expect(canary.revisions).toMatchObject([
      { revision: 1, model: { version: 1 }, wanted: 1, percent: 90 },
      { revision: 2, model: { version: 2 }, wanted: 1, percent: 10 },
    ])
    expect(shares(await json<Endpoint>('endpoint', 'promote', 'parts'))).toEqual({ 1: 0, 2: 100 })
    expect(shares(await json<Endpoint>('endpoint', 'back', 'parts'))).toEqual({ 1: 100, 2: 0 })
    const moved = await json<Endpoint>('endpoint', 'traffic', 'parts', 'r1=75,r2=25')
    expect(moved.history[0]).toMatchObject({ by: 'owner', shares: { 1: 75, 2: 25 } })

    await json('endpoint', 'delete', 'parts', '--yes')
    expect(await json<Endpoint[]>('endpoint', 'list')).toEqual([])
    const url = `${first.url}/v2/models/parts/infer`
    const gone = await fetch(url, { method: 'POST', body: image as Uint8Array<ArrayBuffer> })
    expect(gone.status).toBe(404)
  })

  it(
    'puts an algorithm file behind the endpoint of its name; a newer model keeps it',
    { timeout: LONG_MS },
    async () => {
      const file = path.join(path.dirname(state), 'reddish.ts')
      await writeFile(file, ALGORITHM)
      await json('endpoint', 'deploy', file, '--replicas', '1', '--param', 'atLeast=0.9')
      await json('endpoint', 'rollout', 'reddish', 'm@2')
      const { url, revisions } = await json<Endpoint>('endpoint', 'show', 'reddish')
      expect(revisions.at(-1)).toMatchObject({ revision: 2, model: { version: 2 }, percent: 100 })
      const body = image as Uint8Array<ArrayBuffer>
      const answer = await fetch(`${url}/v2/models/reddish/infer`, { method: 'POST', body })
      const { outputs } = (await answer.json()) as { outputs: { name: string; data: string[] }[] }
      // Red is 1 / (1 + 2·e^(-9·0.2)) = 0.752: less than 0.9.
      expect(JSON.parse(outputs.find(({ name }) => name === 'result')!.data[0]!)).toEqual({ red: false })
    },
  )

  it.each([
    ['an endpoint that nobody made', ['back', 'nobody'], { exit: 3, code: 'ENDPOINT_NOT_FOUND' }],
    ['a model that nobody registered', ['rollout', 'x', 'nothing@7'], { exit: 3, code: 'MODEL_NOT_FOUND' }],
    ['shares that are none', ['traffic', 'reddish', 'all'], { exit: 2, code: 'INVALID_INPUT' }],
    ['shares that do not sum to 100', ['traffic', 'reddish', 'r2=99'], { exit: 2, code: 'INVALID_INPUT' }],
    ['promoting where there is no canary', ['promote', 'reddish'], { exit: 4, code: 'ENDPOINT_CONFLICT' }],
    ['deleting without being sure', ['delete', 'reddish'], { exit: 2, code: 'INVALID_INPUT' }],
  ])('refuses %s', { timeout: LONG_MS }, async (_what, args, expected) => {
    expect(await refusal('endpoint', ...args)).toEqual(expected)
  })
})
