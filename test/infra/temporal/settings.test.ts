/** What the environment says about the Temporal server, and what it may not say. */

import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  connectionOptions,
  heartbeats,
  temporalSettings,
  withoutOwnServer,
  workerDataConverter,
} from '../../../infra/temporal/index.ts'
import { createAuthority } from '../../support/x509.ts'

const authority = createAuthority('an authority')
const client = authority.issue('gyre')
let folder: string
const fileWith = (name: string, content: string, mode = 0o600): string => {
  const file = path.join(folder, name)
  writeFileSync(file, content)
  chmodSync(file, mode)
  return file
}

beforeAll(() => void (folder = mkdtempSync(path.join(os.tmpdir(), 'gyre-temporal-'))))
afterAll(() => rmSync(folder, { recursive: true }))

describe('the address', () => {
  it('is the local server where nothing is said', () => {
    expect(temporalSettings({})).toEqual({
      address: '127.0.0.1:7233',
      namespace: 'default',
      tls: null,
      apiKey: null,
      codecKeys: null,
    })
  })

  it.each([
    ['temporal', 'temporal:7233'],
    ['temporal.example.org:443', 'temporal.example.org:443'],
    ['[::1]', '[::1]:7233'],
  ])('%s means %s', (given, address) => {
    expect(temporalSettings({ TEMPORAL_ADDRESS: given }).address).toBe(address)
  })

  it('of our own variable comes before that of the Temporal command line', () => {
    const env = { GYRE_TEMPORAL_ADDRESS: 'a:1', TEMPORAL_ADDRESS: 'b:2', GYRE_NAMESPACE: 'n', TEMPORAL_NAMESPACE: 'm' }
    expect(temporalSettings(env)).toMatchObject({ address: 'a:1', namespace: 'n' })
  })

  it('that is none is refused', () => {
    expect(() => temporalSettings({ TEMPORAL_ADDRESS: 'https://x' })).toThrow(
      'TEMPORAL_ADDRESS "https://x" is no host:port',
    )
  })

  it.each([
    ['127.0.0.1:7233', 5_000],
    ['localhost:7233', 5_000],
    ['[::1]:7233', 5_000],
    ['temporal-frontend.gyre:7233', 30_000],
    ['10.0.0.1:7233', 30_000],
  ])('%s counts an attempt as dead after %d ms', (address, timeoutMs) => {
    expect(heartbeats({ address }).timeoutMs).toBe(timeoutMs)
  })
})

describe('TLS', () => {
  it('is on as soon as a certificate, a server name or an API key is given', () => {
    const ca = fileWith('ca.pem', authority.cert)
    expect(temporalSettings({ TEMPORAL_TLS_CA: ca }).tls).toEqual({
      ca: Buffer.from(authority.cert),
      client: null,
      serverName: null,
    })
    expect(temporalSettings({ TEMPORAL_TLS_SERVER_NAME: 'x' }).tls).toMatchObject({ serverName: 'x' })
    expect(temporalSettings({ TEMPORAL_API_KEY: 'k' }).tls).not.toBeNull()
    expect(temporalSettings({ TEMPORAL_API_KEY: 'k', TEMPORAL_TLS: 'false' }).tls).toBeNull()
  })

  it('takes the names that newer releases of the Temporal command line use', () => {
    const [cert, key] = [fileWith('c.pem', client.cert), fileWith('k.pem', client.key)]
    const env = { TEMPORAL_TLS_CLIENT_CERT_PATH: cert, TEMPORAL_TLS_CLIENT_KEY_PATH: key }
    expect(temporalSettings(env).tls?.client).toEqual({
      cert: Buffer.from(client.cert),
      key: Buffer.from(client.key),
    })
  })

  it.each([
    [{ TEMPORAL_TLS_CA: '/nowhere/ca.pem' }, 'TEMPORAL_TLS_CA names /nowhere/ca.pem, but there is no such file'],
    [{ TEMPORAL_TLS: 'perhaps' }, 'TEMPORAL_TLS must be true or false, and is "perhaps"'],
    [{ TEMPORAL_TLS: 'false', TEMPORAL_TLS_SERVER_NAME: 'x' }, /^TEMPORAL_TLS is false, but certificates/],
  ])('with %j is refused', (env, message) => {
    expect(() => temporalSettings(env)).toThrow(message)
  })

  it('refuses half a client certificate, one of another key, and what is none', () => {
    const cert = fileWith('c.pem', client.cert)
    const pair = (key: string) => ({ TEMPORAL_TLS_CERT: cert, TEMPORAL_TLS_KEY: fileWith('k.pem', key) })
    expect(() => temporalSettings({ TEMPORAL_TLS_CERT: cert })).toThrow(/^TEMPORAL_TLS_KEY is missing/)
    expect(() => temporalSettings(pair(authority.key))).toThrow(/^TEMPORAL_TLS_KEY is not the key of the certificate/)
    expect(() => temporalSettings(pair('hello'))).toThrow(/k\.pem, which holds no private key/)
    const noCertificate = { TEMPORAL_TLS_CA: fileWith('ca.pem', 'hello') }
    expect(() => temporalSettings(noCertificate)).toThrow(/which holds no certificate in PEM/)
  })
})

describe('an API key', () => {
  it('goes with the namespace into every call, over TLS', () => {
    const file = fileWith('api-key', 'secret\n')
    const settings = temporalSettings({ TEMPORAL_API_KEY_FILE: file, TEMPORAL_NAMESPACE: 'team.a1b2c' })
    expect(connectionOptions(settings)).toEqual({
      address: '127.0.0.1:7233',
      tls: {},
      apiKey: 'secret',
      metadata: { 'temporal-namespace': 'team.a1b2c' },
    })
  })

  it('leaves no trace where there is none', () => {
    expect(connectionOptions(temporalSettings({}))).toEqual({ address: '127.0.0.1:7233', tls: false })
  })
})

describe('codec keys', () => {
  const key = Buffer.alloc(32, 7).toString('base64')

  it('are read from their file, and make failures unreadable too', () => {
    const file = fileWith('keys.json', JSON.stringify({ active: 'b', keys: { a: key, b: key } }), 0o640)
    const settings = temporalSettings({ GYRE_CODEC_KEYS_FILE: file })
    expect(settings.codecKeys?.active).toBe('b')
    expect([...settings.codecKeys!.keys.keys()]).toEqual(['a', 'b'])
    expect(workerDataConverter(settings).failureConverterPath).toMatch(/failure-converter\.js$/)
    expect(workerDataConverter(temporalSettings({}))).not.toHaveProperty('failureConverterPath')
  })

  it.each([
    ['is no JSON', '{'],
    ['keys.a: must be 32 bytes in base64', JSON.stringify({ active: 'a', keys: { a: 'c2hvcnQ=' } })],
    ['active: names no key of this file', JSON.stringify({ active: 'z', keys: { a: key } })],
  ])('are refused: %s', (message, content) => {
    const file = fileWith('bad.json', content)
    expect(() => temporalSettings({ GYRE_CODEC_KEYS_FILE: file })).toThrow(message)
    expect(() => temporalSettings({ GYRE_CODEC_KEYS_FILE: file })).toThrow(file)
  })

  it('that others may read are refused', () => {
    const file = fileWith('open.json', JSON.stringify({ active: 'a', keys: { a: key } }), 0o644)
    expect(() => temporalSettings({ GYRE_CODEC_KEYS_FILE: file })).toThrow(/mode 644\); run chmod 600/)
  })
})

describe('the environment of a server of ours', () => {
  it('keeps nothing of the user’s own server, and the codec keys', () => {
    const env = { PATH: '/bin', TEMPORAL_ADDRESS: 'a:1', TEMPORAL_API_KEY: 'k', GYRE_CODEC_KEYS_FILE: '/k' }
    expect(withoutOwnServer(env)).toEqual({ PATH: '/bin', GYRE_CODEC_KEYS_FILE: '/k' })
  })
})
