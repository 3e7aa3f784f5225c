import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { readSigningKey } from '../../workers/signing-key.ts'

let folder: string
beforeEach(async () => void (folder = await mkdtemp(path.join(tmpdir(), 'gyre-key-'))))
afterEach(() => rm(folder, { recursive: true }))

it('a key is made in a state folder that is not there yet, for its owner alone, and stays', async () => {
  const file = path.join(folder, 'state', 'signing-key')
  const made = await Promise.all(Array.from({ length: 8 }, () => readSigningKey({ value: null, file })))
  expect(new Set(made).size).toBe(1)
  expect(await readSigningKey({ value: null, file })).toBe(made[0])
  expect((await stat(file)).mode & 0o777).toBe(0o600)
  expect(await readdir(path.dirname(file))).toEqual(['signing-key'])
})

it('a key that was set comes first, and one that is none is refused', async () => {
  const file = path.join(folder, 'signing-key')
  const kept = await readSigningKey({ value: null, file })
  expect(await readSigningKey({ value: kept!, file: path.join(folder, 'other') })).toBe(kept)
  expect(await readdir(folder)).toEqual(['signing-key'])
  await expect(readSigningKey({ value: 'no key', file })).rejects.toMatchObject({ code: 'SIGNING_KEY_UNUSABLE' })
})

it('where no file is kept and none is set there is no key', async () => {
  expect(await readSigningKey({ value: null, file: null })).toBeUndefined()
})
