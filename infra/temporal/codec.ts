/**
 * Encrypts what Temporal keeps: arguments, results, heartbeats, signals, updates, queries, summaries, failures.
 *
 * AES-256-GCM with a random 96-bit nonce per payload, in the layout of Temporal's own samples (`binary/encrypted`, nonce ·
 * ciphertext · tag), so that codec servers written for those read ours. Each payload names its key: a new key encrypts from
 * its first day on, old ones still decrypt, and payloads from before the first key pass as they are.
 */

import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import type { Payload, PayloadCodec } from '@temporalio/common'
import protobuf from 'protobufjs'
import { PlatformError } from '#core/errors'
import type { CodecKeys } from './codec-keys.ts'

const ENCODING = Buffer.from('binary/encrypted')
const CIPHER = 'aes-256-gcm'
const NONCE_BYTES = 12
const TAG_BYTES = 16

/** `temporal.api.common.v1.Payload`, as far as it concerns us. */
const payloadType = new protobuf.Type('Payload')
  .add(new protobuf.MapField('metadata', 1, 'string', 'bytes'))
  .add(new protobuf.Field('data', 2, 'bytes'))

/**
 * @param keys - null encrypts nothing, and says of an encrypted payload what is missing.
 * @throws {PlatformError} from its `decode`: `CODEC_KEY_UNFIT`, when the key is not there, or does not open the payload.
 */
export function createCodec(keys: CodecKeys | null): PayloadCodec {
  return {
    encode: (payloads) => Promise.resolve(keys ? payloads.map((payload) => encrypt(payload, keys)) : payloads),
    decode: async (payloads) =>
      payloads.map((payload) => (isEncrypted(payload) ? decrypt(payload, keyOf(payload, keys)) : payload)),
  }
}

export function isEncrypted({ metadata }: Payload): boolean {
  return ENCODING.equals(metadata?.['encoding'] ?? new Uint8Array())
}

function encrypt(payload: Payload, { active, keys }: CodecKeys): Payload {
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv(CIPHER, keys.get(active)!, nonce)
  const plain = payloadType.encode(payloadType.create({ ...payload })).finish()
  return {
    metadata: {
      encoding: ENCODING,
      'encryption-cipher': Buffer.from('AES/GCM'),
      'encryption-key-id': Buffer.from(active),
    },
    data: Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]),
  }
}

interface NamedKey {
  readonly id: string
  readonly key: Buffer
}

function keyOf({ metadata }: Payload, keys: CodecKeys | null): NamedKey {
  const id = Buffer.from(metadata?.['encryption-key-id'] ?? []).toString()
  const key = keys?.keys.get(id)
  if (key) return { id, key }
  const remedy = keys
    ? `add it to the file of GYRE_CODEC_KEYS_FILE, which has ${[...keys.keys.keys()].map((known) => `"${known}"`).join(', ')}`
    : 'set GYRE_CODEC_KEYS_FILE to the file that has it'
  throw new PlatformError('CODEC_KEY_UNFIT', `a payload is encrypted with the key "${id}"; ${remedy}`, { key: id })
}

function decrypt({ data }: Payload, { id, key }: NamedKey): Payload {
  const sealed = Buffer.from(data ?? [])
  try {
    const decipher = createDecipheriv(CIPHER, key, sealed.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES })
    decipher.setAuthTag(sealed.subarray(-TAG_BYTES))
    const plain = Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()])
    return payloadType.toObject(payloadType.decode(plain)) as Payload
  } catch (cause) {
    const message = `the key "${id}" does not open a payload that names it; put the key of that day back under this id`
    throw new PlatformError('CODEC_KEY_UNFIT', message, { key: id }, { cause })
  }
}
