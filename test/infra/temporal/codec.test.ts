/** Encryption of payloads: what Temporal keeps cannot be read without the key, and keys can change. */

import { randomBytes } from 'node:crypto'
import { defaultPayloadConverter, type Payload } from '@temporalio/common'
import { describe, expect, it } from 'vitest'
import { createCodec, type CodecKeys } from '../../../infra/temporal/index.ts'

const KEYS = { a: randomBytes(32), b: randomBytes(32) }
const keysOf = (active: string, ...ids: ('a' | 'b')[]): CodecKeys => ({
  active,
  keys: new Map(ids.map((id) => [id, KEYS[id]])),
})
const payload = (value: unknown): Payload => defaultPayloadConverter.toPayload(value)
const textOf = ({ data, metadata }: Payload): string =>
  Buffer.concat([...Object.values(metadata ?? {}), data ?? new Uint8Array()]).toString('latin1')

describe('an encrypted payload', () => {
  it('shows nothing of what it holds, and comes back as it was', async () => {
    const codec = createCodec(keysOf('a', 'a'))
    const plain = [payload({ dataset: 'secret-surfaces' }), payload(new Uint8Array([1, 2, 3])), payload(undefined)]
    const sealed = await codec.encode(plain)
    for (const one of sealed) expect(textOf(one)).not.toMatch(/secret|json|dataset/)
    const opened = await codec.decode(sealed)
    expect(opened.map((one) => defaultPayloadConverter.fromPayload(one))).toEqual([
      { dataset: 'secret-surfaces' },
      new Uint8Array([1, 2, 3]),
      undefined,
    ])
  })

  it('is another one each time, for the same content', async () => {
    const codec = createCodec(keysOf('a', 'a'))
    const [one, two] = await codec.encode([payload('same'), payload('same')])
    expect(textOf(one!)).not.toBe(textOf(two!))
  })

  it('of an old key opens after the key changed, while the old key is kept', async () => {
    const sealed = await createCodec(keysOf('a', 'a')).encode([payload('from before')])
    const rotated = createCodec(keysOf('b', 'a', 'b'))
    const [opened] = await rotated.decode(sealed)
    expect(defaultPayloadConverter.fromPayload(opened!)).toBe('from before')
    const [fresh] = await rotated.encode([payload('new')])
    expect(Buffer.from(fresh!.metadata!['encryption-key-id']!).toString()).toBe('b')
  })

  it('without its key says which one is missing', async () => {
    const sealed = await createCodec(keysOf('a', 'a')).encode([payload('x')])
    await expect(createCodec(null).decode(sealed)).rejects.toMatchObject({
      code: 'CODEC_KEY_UNFIT',
      message: 'a payload is encrypted with the key "a"; set GYRE_CODEC_KEYS_FILE to the file that has it',
    })
    await expect(createCodec(keysOf('b', 'b')).decode(sealed)).rejects.toThrow(
      'encrypted with the key "a"; add it to the file of GYRE_CODEC_KEYS_FILE, which has "b"',
    )
  })

  it('with another key under its id, or changed on the way, does not open', async () => {
    const codec = createCodec(keysOf('a', 'a'))
    const [sealed] = await codec.encode([payload('x')])
    const other = createCodec({ active: 'a', keys: new Map([['a', KEYS.b]]) })
    await expect(other.decode([sealed!])).rejects.toThrow('the key "a" does not open a payload that names it')
    const data = Buffer.from(sealed!.data!)
    data[20]! ^= 1
    await expect(codec.decode([{ ...sealed!, data }])).rejects.toMatchObject({ code: 'CODEC_KEY_UNFIT' })
  })
})

describe('a payload that is not encrypted', () => {
  it('passes, with keys and without', async () => {
    const plain = [payload({ n: 1 })]
    expect(await createCodec(keysOf('a', 'a')).decode(plain)).toEqual(plain)
    expect(await createCodec(null).decode(plain)).toEqual(plain)
    expect(await createCodec(null).encode(plain)).toEqual(plain)
  })
})
