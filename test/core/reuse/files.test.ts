import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import type { PlanNode } from '#core/plan'
import { keyedInput } from '../../../core/reuse/basis.ts'
import type { StepDefinition } from '#core/steps'
import { createMemoryStore } from '#core/storage'

const step: StepDefinition = {
  name: 'embed',
  kind: 'activity',
  input: z.unknown(),
  output: z.unknown(),
  files: ['model'],
  policy: { queue: 'cpu', timeout: '1m' },
}

const node: PlanNode = {
  ...{ id: 'a', step: 'embed', kind: 'activity', input: {}, needs: [], when: null, codeVersion: 'c', bundle: null },
  policy: { queue: 'cpu', timeoutMs: 1_000, attempts: 1, cache: true },
}

let folder: string
beforeAll(async () => (folder = await mkdtemp(path.join(tmpdir(), 'gyre-files-'))))
afterAll(() => rm(folder, { recursive: true }))

it('a file counts by its bytes, alone or in a list, and a name in the same place as it is', async () => {
  const [first, second] = [path.join(folder, 'a.onnx'), path.join(folder, 'b.onnx')]
  await Promise.all([writeFile(first, 'weights'), writeFile(second, 'weights')])
  const inputOf = async (model: string | string[]) => {
    const { input } = await keyedInput(createMemoryStore(), node, step, { model })
    return (input as { model: unknown }).model
  }
  expect(await inputOf('hog+colour')).toBe('hog+colour')
  const [digest, hog] = (await inputOf([first, 'hog'])) as string[]
  expect(hog).toBe('hog')
  expect(digest).toMatch(/^[0-9a-f]{64}$/)
  expect(await inputOf(second)).toBe(digest)
  await writeFile(second, 'others')
  expect(await inputOf([second, 'hog'])).not.toEqual([digest, 'hog'])
})
