/**
 * The key with which an installation signs what it states: Ed25519 (RFC 8032). The private half is a file of the machine or a
 * setting of the worker and never in the store; the public half stands in every signature, and in the store so that
 * anybody can tell the installation's own signatures from others:
 *
 *   identity/signing-keys/<fingerprint>.json     create-only; a new key is one more
 *
 * A signature proves that whoever held the key stated these bytes. Whose key it is, the store says, and whoever can write
 * the store can say so too: to rule that out, compare the fingerprint with one that came another way.
 */

import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto'
import { isPlatformError, PlatformError } from '#core/errors'
import { canonicalJson, namesUnder, type ObjectKey, type ObjectStore } from '#core/storage'

export interface Signature {
  readonly algorithm: 'Ed25519'
  /** Raw, 32 bytes, in base64url. */
  readonly publicKey: string
  /** 64 bytes, in base64url. */
  readonly value: string
}

export interface SigningKey {
  /** The public half: raw, 32 bytes, in base64url. */
  readonly publicKey: string
  readonly fingerprint: string
  sign(bytes: Uint8Array): Signature
}

/** A public key that the installation published. */
export interface PublishedKey {
  readonly publicKey: string
  readonly fingerprint: string
  /** ISO 8601. */
  readonly at: string
}

/** DER of an Ed25519 public key up to its 32 bytes (RFC 8410). */
const PUBLIC_PREFIX = Buffer.from('302a300506032b6570032100', 'hex')

/** @returns a new private key in PEM (PKCS #8): for its owner alone. */
export function createSigningKey(): string {
  return generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}

/** @throws {PlatformError} `SIGNING_KEY_UNUSABLE` for what is no Ed25519 key in PEM. */
export function openSigningKey(pem: string): SigningKey {
  const key = readPrivate(pem)
  const publicKey = rawOf(createPublicKey(key).export({ type: 'spki', format: 'der' }))
  return {
    publicKey,
    fingerprint: fingerprintOf(publicKey),
    sign: (bytes) => ({ algorithm: 'Ed25519', publicKey, value: sign(null, bytes, key).toString('base64url') }),
  }
}

function readPrivate(pem: string) {
  try {
    const key = createPrivateKey(pem)
    if (key.asymmetricKeyType === 'ed25519') return key
  } catch {
    // Said below, without a word of the key itself.
  }
  throw new PlatformError(
    'SIGNING_KEY_UNUSABLE',
    'the signing key is no Ed25519 key in PEM (PKCS #8); make one with openssl genpkey -algorithm ed25519',
  )
}

function rawOf(der: Buffer): string {
  return der.subarray(PUBLIC_PREFIX.length).toString('base64url')
}

/** The first 16 hex digits of the SHA-256 of the raw public key: what people compare. */
export function fingerprintOf(publicKey: string): string {
  return createHash('sha256').update(Buffer.from(publicKey, 'base64url')).digest('hex').slice(0, 16)
}

/** Whether the signature is that of these bytes; false also for what is no signature at all. */
export function isSignedBy(signature: Signature, bytes: Uint8Array): boolean {
  try {
    const raw = Buffer.from(signature.publicKey, 'base64url')
    const key = createPublicKey({ key: Buffer.concat([PUBLIC_PREFIX, raw]), type: 'spki', format: 'der' })
    return verify(null, bytes, key, Buffer.from(signature.value, 'base64url'))
  } catch {
    return false
  }
}

/** Makes the public half known; again changes nothing. */
export async function publishSigningKey(store: ObjectStore, { publicKey, fingerprint }: SigningKey): Promise<void> {
  if (await store.head(keyOf(fingerprint))) return
  const published: PublishedKey = { publicKey, fingerprint, at: new Date().toISOString() }
  await store.create(keyOf(fingerprint), Buffer.from(canonicalJson(published)))
}

/** The installation's public keys, oldest first. */
export async function listSigningKeys(store: ObjectStore): Promise<readonly PublishedKey[]> {
  const keys: PublishedKey[] = []
  for (const name of await namesUnder(store, 'identity/signing-keys')) {
    const key = await readPublished(store, name.replace(/\.json$/, ''))
    if (key) keys.push(key)
  }
  return keys.sort((a, b) => (a.at < b.at ? -1 : 1))
}

async function readPublished(store: ObjectStore, fingerprint: string): Promise<PublishedKey | null> {
  try {
    return JSON.parse(Buffer.from(await store.get(keyOf(fingerprint))).toString()) as PublishedKey
  } catch (error) {
    if (isPlatformError(error) && error.code === 'OBJECT_NOT_FOUND') return null
    throw error
  }
}

const keyOf = (fingerprint: string): ObjectKey => `identity/signing-keys/${fingerprint}.json`
