/** Why a server cannot be reached, in one sentence: asked over a bare socket, whose errors name the cause where gRPC's do not. */

import net from 'node:net'
import tls from 'node:tls'
import { PlatformError } from '#core/errors'
import type { TemporalSettings, TlsSettings } from './settings.ts'

const ANSWER_MS = 5_000
const SETTINGS_FRAME = 4
/** How a client of HTTP/2 begins: the connection preface and an empty SETTINGS frame (RFC 9113 §3.4). */
const PREFACE = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  Buffer.from([0, 0, 0, SETTINGS_FRAME, 0, 0, 0, 0, 0]),
])
const ANY_TLS: TlsSettings = { ca: null, client: null, serverName: null }
/** The server hangs up on a client certificate without saying so in TLS. */
const CLIENT_REFUSED = 'CLIENT_REFUSED'

type Unreachable = (at: string, settings: TemporalSettings) => string

/** By error code of Node: trouble on the way, which may pass by itself. */
const NETWORK: Readonly<Record<string, Unreachable>> = {
  ECONNREFUSED: (at) => `nothing listens at ${at}; start the Temporal server, or correct TEMPORAL_ADDRESS`,
  ENOTFOUND: (at) => `the host name in ${at} is not known here; correct TEMPORAL_ADDRESS`,
  EAI_AGAIN: (at) => `the host name in ${at} cannot be looked up now; check TEMPORAL_ADDRESS and the DNS`,
  EHOSTUNREACH: (at) => `there is no way to ${at}; check TEMPORAL_ADDRESS and the network`,
  ENETUNREACH: (at) => `there is no way to ${at}; check TEMPORAL_ADDRESS and the network`,
  ETIMEDOUT: (at) =>
    `the Temporal server at ${at} does not answer within ${ANSWER_MS / 1000} s; check TEMPORAL_ADDRESS and what lies between (firewall, network policy)`,
}

/** By error code of Node or OpenSSL: settings that do not fit the server. */
const TLS: Readonly<Record<string, Unreachable>> = {
  ERR_TLS_CERT_ALTNAME_INVALID: (at, { tls }) =>
    `the certificate of the Temporal server at ${at} is for another name than ${tls?.serverName ?? hostOf(at)}; set TEMPORAL_TLS_SERVER_NAME to a name in it`,
  CERT_HAS_EXPIRED: (at) =>
    `the certificate of the Temporal server at ${at} has expired; renew it, or set the clock of this machine`,
  CERT_NOT_YET_VALID: (at) =>
    `the certificate of the Temporal server at ${at} is not valid yet; check the clock of this machine`,
  ERR_SSL_WRONG_VERSION_NUMBER: noTls,
  ERR_SSL_PACKET_LENGTH_TOO_LONG: noTls,
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: (at) =>
    `the Temporal server at ${at} wants a client certificate; set TEMPORAL_TLS_CERT and TEMPORAL_TLS_KEY`,
  [CLIENT_REFUSED]: foreignClient,
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: foreignClient,
  ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE: foreignClient,
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN: foreignClient,
}

/** A certificate whose issuer is not trusted, in the words of OpenSSL. */
const UNTRUSTED = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'CERT_SIGNATURE_FAILURE',
])

function noTls(at: string): string {
  return `the Temporal server at ${at} does not speak TLS; leave out the certificates, or set TEMPORAL_TLS=false`
}

function foreignClient(at: string): string {
  return `the Temporal server at ${at} does not accept the client certificate of TEMPORAL_TLS_CERT; ask who runs it for one that it trusts`
}

function untrusted(at: string, { tls }: TemporalSettings): string {
  return tls?.ca
    ? `the certificate of the Temporal server at ${at} is not signed by the authority in TEMPORAL_TLS_CA; give the file of the one that signed it`
    : `the certificate of the Temporal server at ${at} is signed by an authority that this machine does not know; set TEMPORAL_TLS_CA to its certificate`
}

/**
 * @param words - what gRPC said, for what is not understood here.
 * @returns `TEMPORAL_UNAVAILABLE` for what may pass, `TEMPORAL_UNUSABLE` for what somebody must mend.
 */
export async function explainUnreachable(settings: TemporalSettings, words: string): Promise<PlatformError> {
  const { address } = settings
  const cause = await greet(settings)
  const code = cause?.code ?? ''
  const details = { address }
  if (UNTRUSTED.has(code))
    return new PlatformError('TEMPORAL_UNUSABLE', untrusted(address, settings), details, { cause })
  const wrongTls = TLS[code]
  if (wrongTls) return new PlatformError('TEMPORAL_UNUSABLE', wrongTls(address, settings), details, { cause })
  if (!settings.tls && !NETWORK[code] && (await speaksTls(settings)))
    return new PlatformError(
      'TEMPORAL_UNUSABLE',
      `the Temporal server at ${address} wants TLS; set TEMPORAL_TLS=true, and TEMPORAL_TLS_CA where its authority is your own`,
      details,
      { cause },
    )
  const sentence = NETWORK[code]?.(address, settings) ?? `the Temporal server at ${address} does not answer (${words})`
  return new PlatformError('TEMPORAL_UNAVAILABLE', sentence, details, { cause })
}

/** Speaks to the server as far as its first words. @returns what went wrong, or null when it greeted in HTTP/2. */
function greet(
  { address, tls: wanted }: TemporalSettings,
  extra: tls.ConnectionOptions = {},
): Promise<NodeJS.ErrnoException | null> {
  const [host, port] = [hostOf(address), Number(address.slice(address.lastIndexOf(':') + 1))]
  return new Promise((resolve) => {
    const socket = wanted
      ? tls.connect({ host, port, ALPNProtocols: ['h2'], ...tlsOptions(host, wanted), ...extra })
      : net.connect({ host, port })
    const end = (error: NodeJS.ErrnoException | null) => {
      clearTimeout(timer)
      socket.destroy()
      resolve(error)
    }
    const fail = (code: string) => end(Object.assign(new Error(code), { code }))
    const timer = setTimeout(() => fail('ETIMEDOUT'), ANSWER_MS)
    let secured = false
    socket.once(wanted ? 'secureConnect' : 'connect', () => {
      secured = wanted !== null
      socket.write(PREFACE)
    })
    socket.once('data', (answer) => (answer[3] === SETTINGS_FRAME ? end(null) : fail('EPROTO')))
    const hungUp = () => fail(secured && wanted?.client ? CLIENT_REFUSED : 'ECONNRESET')
    socket.on('error', (error: NodeJS.ErrnoException) => (error.code === 'ECONNRESET' ? hungUp() : end(error)))
    socket.once('close', hungUp)
  })
}

function tlsOptions(host: string, { ca, client, serverName }: TlsSettings): tls.ConnectionOptions {
  // An address of numbers is never asked for by name.
  const servername = serverName ?? (net.isIP(host) ? '' : host)
  return { ...(ca ? { ca } : {}), ...(client ?? {}), servername }
}

/** Whether the server answers once it is spoken to in TLS, whoever signed its certificate and whatever it wants of ours. */
async function speaksTls(settings: TemporalSettings): Promise<boolean> {
  const failure = await greet({ ...settings, tls: ANY_TLS }, { rejectUnauthorized: false })
  return failure === null || /^ERR_SSL_.*CERTIFICATE/.test(failure.code ?? '')
}

/** `[::1]:7233` → `::1`. */
const hostOf = (address: string): string => address.replace(/:\d+$/, '').replaceAll(/[[\]]/g, '')
