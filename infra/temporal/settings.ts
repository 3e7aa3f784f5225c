/**
 * How to reach a Temporal server: the one of `gyre dev`, a team's own, or Temporal Cloud. Read from the environment once,
 * at start. The variables have the names that Temporal's own command line gives them, so that what works there works here.
 */

import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { PlatformError } from '#core/errors'
import { readCodecKeys, type CodecKeys } from './codec-keys.ts'

export interface TlsSettings {
  /** PEM of who signed the server's certificate; null trusts the authorities that Node knows. */
  readonly ca: Buffer | null
  /** PEM, for servers that want to know who calls. */
  readonly client: { readonly cert: Buffer; readonly key: Buffer } | null
  /** The name in the server's certificate, where it is not the host of the address. */
  readonly serverName: string | null
}

export interface TemporalSettings {
  /** `host:port`. */
  readonly address: string
  readonly namespace: string
  /** Null speaks without TLS. */
  readonly tls: TlsSettings | null
  readonly apiKey: string | null
  /** Null stores payloads as they are. */
  readonly codecKeys: CodecKeys | null
}

/** Temporal's own names: first those of this product's documentation, then the ones of other releases of its command line. */
const VARIABLES = {
  address: ['GYRE_TEMPORAL_ADDRESS', 'TEMPORAL_ADDRESS'],
  namespace: ['GYRE_NAMESPACE', 'TEMPORAL_NAMESPACE'],
  tls: ['TEMPORAL_TLS'],
  ca: ['TEMPORAL_TLS_CA', 'TEMPORAL_TLS_SERVER_CA_CERT_PATH'],
  cert: ['TEMPORAL_TLS_CERT', 'TEMPORAL_TLS_CLIENT_CERT_PATH'],
  key: ['TEMPORAL_TLS_KEY', 'TEMPORAL_TLS_CLIENT_KEY_PATH'],
  serverName: ['TEMPORAL_TLS_SERVER_NAME'],
  apiKey: ['TEMPORAL_API_KEY'],
  apiKeyFile: ['TEMPORAL_API_KEY_FILE'],
} as const satisfies Record<string, readonly string[]>

type Env = Readonly<Record<string, string | undefined>>

const DEFAULT_PORT = 7233

/** @throws {PlatformError} `INVALID_INPUT` naming the variable, and the file where one cannot be used. */
export function temporalSettings(env: Env): TemporalSettings {
  const apiKey = apiKeyOf(env)
  return {
    address: withPort(find(env, 'address')?.value ?? '127.0.0.1'),
    namespace: find(env, 'namespace')?.value ?? 'default',
    tls: tlsOf(env, apiKey !== null),
    apiKey,
    codecKeys: env['GYRE_CODEC_KEYS_FILE'] ? readCodecKeys(env['GYRE_CODEC_KEYS_FILE']) : null,
  }
}

/** Whether the environment names a server at all; else `gyre dev` starts one of its own. */
export function namesServer(env: Env): boolean {
  return find(env, 'address') !== null
}

/** The environment for processes that use a server of ours: nothing of the user's own one must reach them. */
export function withoutOwnServer(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const names = new Set<string>(Object.values(VARIABLES).flat())
  return Object.fromEntries(Object.entries(env).filter(([name]) => !names.has(name)))
}

/** How often an attempt shows that it lives, and after which silence it counts as dead: rarer where others share the server. */
export function heartbeats(settings: Pick<TemporalSettings, 'address'>): { throttleMs: number; timeoutMs: number } {
  return isLoopback(settings) ? { throttleMs: 1_000, timeoutMs: 5_000 } : { throttleMs: 2_000, timeoutMs: 30_000 }
}

function isLoopback({ address }: Pick<TemporalSettings, 'address'>): boolean {
  return /^(localhost|127(\.\d+){3}|\[::1\]):\d+$/.test(address)
}

function find(env: Env, what: keyof typeof VARIABLES): { readonly name: string; readonly value: string } | null {
  const name = VARIABLES[what].find((candidate) => env[candidate])
  return name === undefined ? null : { name, value: env[name]! }
}

function withPort(address: string): string {
  if (/^[^\s:/]+$/.test(address) || /^\[[0-9a-f:]+\]$/i.test(address)) return `${address}:${DEFAULT_PORT}`
  if (/^([^\s:/]+|\[[0-9a-f:]+\]):\d+$/i.test(address)) return address
  throw invalid('TEMPORAL_ADDRESS', `"${address}" is no host:port`)
}

function apiKeyOf(env: Env): string | null {
  const given = find(env, 'apiKey')?.value ?? readFileOf(find(env, 'apiKeyFile'))?.toString('utf8')
  return given?.trim() || null
}

function tlsOf(env: Env, hasApiKey: boolean): TlsSettings | null {
  const ca = pemOf(env, 'ca', (pem) => new X509Certificate(pem))
  const cert = pemOf(env, 'cert', (pem) => new X509Certificate(pem))
  const key = pemOf(env, 'key', createPrivateKey)
  const serverName = find(env, 'serverName')?.value ?? null
  if (Boolean(cert) !== Boolean(key)) {
    const missing = cert ? 'TEMPORAL_TLS_KEY' : 'TEMPORAL_TLS_CERT'
    throw invalid(missing, 'is missing: a client certificate needs both its certificate and its key')
  }
  if (cert && key && !new X509Certificate(cert).checkPrivateKey(createPrivateKey(key)))
    throw invalid('TEMPORAL_TLS_KEY', 'is not the key of the certificate in TEMPORAL_TLS_CERT')
  const asked = find(env, 'tls')?.value.toLowerCase()
  if (asked !== undefined && !/^(true|false|1|0)$/.test(asked))
    throw invalid('TEMPORAL_TLS', `must be true or false, and is "${asked}"`)
  const off = asked === 'false' || asked === '0'
  if (off && (ca || cert || serverName))
    throw invalid('TEMPORAL_TLS', 'is false, but certificates or a server name are given; leave one of them out')
  // An API key must not cross a network in the clear, unless somebody says so.
  const on = asked !== undefined ? !off : Boolean(ca || cert || serverName || hasApiKey)
  return on ? { ca, client: cert && key && { cert, key }, serverName } : null
}

/** Read once, at start: what cannot be used is refused here, with the name of its variable. */
function pemOf(env: Env, what: 'ca' | 'cert' | 'key', parse: (pem: Buffer) => unknown): Buffer | null {
  const variable = find(env, what)
  const pem = readFileOf(variable)
  if (variable === null || pem === null) return null
  try {
    parse(pem)
    return pem
  } catch (cause) {
    const kind = what === 'key' ? 'private key without a passphrase' : 'certificate'
    throw invalid(variable.name, `names ${variable.value}, which holds no ${kind} in PEM`, cause)
  }
}

function readFileOf(variable: { readonly name: string; readonly value: string } | null): Buffer | null {
  if (variable === null) return null
  try {
    return readFileSync(variable.value)
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    const why = code === 'ENOENT' ? 'there is no such file' : `it cannot be read (${code})`
    throw invalid(variable.name, `names ${variable.value}, but ${why}`, cause)
  }
}

function invalid(variable: string, what: string, cause?: unknown): PlatformError {
  return new PlatformError('INVALID_INPUT', `${variable} ${what}`, { variable }, { cause })
}
